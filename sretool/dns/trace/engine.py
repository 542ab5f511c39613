"""The walk from the root to an answer, asking the servers of every zone on the way.

Every server of a zone is asked at once, and the first valid reply leads on; the others are waited
for while the walk is already further down. Servers without glue are looked up by the same walk.
Nothing here knows of sockets, options or tables.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import dns.name
import dns.rdatatype

from sretool.dns import message
from sretool.dns.message import Message, Question
from sretool.dns.network import Asked, Network, Purse
from sretool.dns.trace.reply import LONGEST_CHAIN, Verdict, judge
from sretool.dns.trace.state import Cut, End, Name, Plan, Row, Type, Zone, askable
from sretool.errors import ParseError

MOST_ADDRESSES = 40  # asked at one cut
MOST_LOOKUPS = 13  # names without glue looked up at one cut (NXNSAttack, CVE-2020-12662)
DEEPEST_LOOKUP = 6
HEDGE_S = 0.25  # where one server is enough, the next is asked as well after this


class Engine:
    """One trace. `run` fills `cuts`, `end`, `lookups` (of server names) and `cycles`, also when it is
    stopped midway.
    """

    def __init__(self, plan: Plan, network: Network, progress: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self.purse = Purse(plan.budget)
        self.cuts: list[Cut] = []
        self.cycles: list[list[Name]] = []
        self.end: End | None = None
        self.lookups: dict[tuple[Name, Type], End] = {}
        self.answered_at: float | None = None
        self.waited_until: float | None = None
        self.cut_short = False
        self._network = network
        self._progress = progress or (lambda _text: None)
        self._zones = {dns.name.root: Zone(dns.name.root, None, plan.hints)}
        self._full: set[Name] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._looking: dict[tuple[Name, Type], asyncio.Task[list[str]]] = {}
        self._waits: dict[Name, set[Name]] = {}
        self._decoded: dict[bytes, Message] = {}
        self._rtt_ms: dict[str, float] = {}

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Walk, then wait for the servers still asked, until the deadline or `stop`."""
        self._later = asyncio.Lock()
        deadline = time.perf_counter() + self.plan.deadline_s
        halt = asyncio.ensure_future((stop or asyncio.Event()).wait())
        self._spawn(self._answer())
        try:
            while self._tasks and not halt.done():
                left = deadline - time.perf_counter()
                if left <= 0:
                    break
                await asyncio.wait({*self._tasks, halt}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()  # a bug in here must not pass for a silent server
        finally:
            self.waited_until = time.perf_counter()
            self.cut_short = bool(self._tasks)
            halt.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, halt, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    async def _answer(self) -> None:
        self.end = await self._walk(self.plan.name, self.plan.type, None, None, 0)
        self.answered_at = time.perf_counter()
        said = self.end.reason if self.end.verdict is None else self.end.verdict.text
        self._progress(f"{self.plan.name} {said}; waiting for the other servers")

    async def _walk(
        self, name: Name, rdtype: Type, wanted_by: Name | None, within: Cut | None, depth: int
    ) -> End:
        """From the closest known cut down to an answer for `name`, over aliases."""
        passed: tuple[Name, ...] = (name,)
        records: tuple[Any, ...] = ()
        question = message.question(name, rdtype)
        while True:
            cut = self._open(question, wanted_by, within)
            self._progress(f"asking {cut.zone.name} for {question.name}")
            verdict = await self._ask(cut, depth)
            if verdict is None:
                reason = "no-answer" if cut.rows else "no-address"
                return End(reason, None, cut, passed[1:], records)
            if verdict.kind == "referral":
                assert verdict.zone is not None
                self._zones.setdefault(
                    verdict.zone,
                    Zone(verdict.zone, cut.zone.name, {ns: [*glue] for ns, glue in verdict.ns.items()}),
                )
                continue
            records += verdict.records
            looped = next((alias for alias in verdict.aliases if alias in passed), None)
            passed += verdict.aliases
            if looped is not None or verdict.kind == "cname-loop":
                return End("cname-loop", verdict, cut, passed[1:], records)
            if verdict.kind != "cname":
                return End(verdict.kind, verdict, cut, passed[1:], records)
            if len(passed) - 1 > LONGEST_CHAIN:
                return End("cname-limit", verdict, cut, passed[1:], records)
            question = message.question(verdict.target, rdtype)

    def _open(self, question: Question, wanted_by: Name | None, within: Cut | None) -> Cut:
        """The closest zone known to enclose the name; DS is its parent's to answer (RFC 4035 3.1.4.1)."""
        name = question.name
        if question.type == dns.rdatatype.DS and name != dns.name.root:
            name = name.parent()
        while name not in self._zones:
            name = name.parent()
        # every server of a zone once; later questions to it go to one that is known to answer
        every = self.plan.every and wanted_by is None and name not in self._full
        if every:
            self._full.add(name)
        first: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        cut = Cut(self._zones[name], question, wanted_by, every, first, within=within)
        self.cuts.append(cut)
        return cut

    # asking one cut

    async def _ask(self, cut: Cut, depth: int) -> Verdict | None:
        """The first valid verdict of the zone's servers; None when there is none to be had."""
        self._source(cut, self._servers(cut, depth))
        return await asyncio.shield(cut.first)

    def _source(self, cut: Cut, work: Coroutine[Any, Any, None]) -> None:
        """Run something that may bring the cut its first verdict; when the last of them ended
        without one there is none.
        """

        def ended(_task: asyncio.Task[Any]) -> None:
            cut.sources -= 1
            if cut.sources == 0 and not cut.first.done():
                cut.first.set_result(None)

        cut.sources += 1
        self._spawn(work).add_done_callback(ended)

    async def _servers(self, cut: Cut, depth: int) -> None:
        known = [(ns, address) for ns, addresses in cut.zone.ns.items() for address in addresses]
        rows = [row for row in (self._row(cut, ns, address) for ns, address in known) if row is not None]
        bare = [ns for ns, addresses in cut.zone.ns.items() if not addresses]
        cut.skipped += max(0, len(bare) - MOST_LOOKUPS)
        if cut.every:
            for row in rows:
                self._source(cut, self._serve(cut, row))
            # one of each IP version, in the same flight: after the first reply it would cost a round trip
            for address in {":" in row.address: row.address for row in reversed(rows)}.values():
                if cut.zone.parent is not None:
                    self._spawn(self._child(cut, address))
            for ns in bare[:MOST_LOOKUPS]:
                self._source(cut, self._found(cut, ns, depth))
            return
        rows.sort(key=lambda row: self._rtt_ms.get(row.address, 500.0 if ":" in row.address else 400.0))
        await self._one_of(cut, rows)
        for ns in bare[:MOST_LOOKUPS]:
            if cut.first.done():
                return
            await self._found(cut, ns, depth)

    async def _one_of(self, cut: Cut, rows: list[Row]) -> None:
        """Ask one server after the other until one gave a verdict, not waiting long for any."""
        running: set[asyncio.Task[None]] = set()
        try:
            for row in rows:
                running.add(asyncio.get_running_loop().create_task(self._serve(cut, row)))
                done, running = await asyncio.wait(
                    running, timeout=HEDGE_S, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if cut.first.done():
                    return
            while running and not cut.first.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _row(self, cut: Cut, ns: Name, address: str) -> Row | None:
        """A row for a server not yet in this cut; one address under two names is asked once."""
        family = 6 if ":" in address else 4
        if family not in self.plan.families:
            return None
        if address in cut.rows:
            if ns not in cut.rows[address].names:
                cut.rows[address].names.append(ns)
            return None
        if len(cut.rows) >= MOST_ADDRESSES:
            cut.skipped += 1
            return None
        row = cut.rows[address] = Row(address, [ns], Asked(address, cut.urgent))
        if not askable(address, self.plan.loopback):
            row.asked.error = "no-server-address"
            return None
        return row

    async def _serve(self, cut: Cut, row: Row) -> None:
        """Ask one server and judge its reply; a lame one is asked once more before it is called so."""
        await self._network.ask(row.asked, cut.question, self.purse)
        await self._judge(cut, row, row.asked)
        if row.verdict is not None and not row.verdict.usable and self.purse.allows(cut.urgent()):
            again = Asked(row.address, cut.urgent)
            await self._network.ask(again, cut.question, self.purse)
            row.asked.tries += again.tries
            if again.wire is not None:
                again.tries = row.asked.tries
                row.asked, row.confirmed = again, True
                await self._judge(cut, row, again)
        if row.verdict is not None and row.verdict.usable and not cut.first.done():
            cut.winner = row
            cut.first.set_result(row.verdict)

    async def _judge(self, cut: Cut, row: Row, asked: Asked) -> None:
        if asked.wire is None:
            return
        if asked.rtt_ms is not None:
            self._rtt_ms[row.address] = asked.rtt_ms
        if cut.first.done():
            # Decoding costs a millisecond: one a turn of the loop, so that 26 late replies do not
            # hold up what the walk waits for.
            async with self._later:
                await asyncio.sleep(0)
                self._decode(cut, row, asked.wire)
        else:
            self._decode(cut, row, asked.wire)

    def _decode(self, cut: Cut, row: Row, wire: bytes) -> None:
        try:
            decoded = self._decoded.get(wire[2:])
            if decoded is None:
                decoded = self._decoded[wire[2:]] = message.decode(wire)
        except ParseError as error:
            row.asked.error, row.asked.detail = "malformed", error.message
            return
        row.message = decoded
        row.verdict = judge(decoded, cut.zone.name, cut.question.name, cut.question.type)

    async def _child(self, cut: Cut, address: str) -> None:
        """The NS set as the zone itself has it."""
        asked = Asked(address, lambda: False)
        await self._network.ask(asked, message.question(cut.zone.name, dns.rdatatype.NS), self.purse)
        if asked.wire is None:
            return
        try:
            verdict = judge(message.decode(asked.wire), cut.zone.name, cut.zone.name, dns.rdatatype.NS)
        except ParseError:
            return
        if verdict.kind == "answer":
            cut.child_ns = frozenset(rdata.target for rdata in verdict.records[-1])

    # servers without glue

    async def _found(self, cut: Cut, ns: Name, depth: int) -> None:
        """Look a server's addresses up and ask them, IPv4 without waiting for IPv6."""
        if depth >= DEEPEST_LOOKUP or not self._may_wait(cut.wanted_by, ns):
            return
        for rdtype in self.plan.address_types:
            if not cut.every and cut.first.done():
                continue
            addresses = await asyncio.shield(self._lookup(ns, rdtype, cut, depth))
            if not addresses:
                continue
            known = cut.zone.ns.setdefault(ns, [])
            known += [address for address in addresses if address not in known]
            rows = [row for row in (self._row(cut, ns, address) for address in addresses) if row is not None]
            if cut.every:
                for row in rows:
                    self._source(cut, self._serve(cut, row))
            else:
                await self._one_of(cut, rows)

    def _lookup(self, ns: Name, rdtype: Type, within: Cut, depth: int) -> asyncio.Task[list[str]]:
        """The one task that finds this name's addresses, whoever asks for them."""
        key = (ns, rdtype)
        if key not in self._looking:
            self._looking[key] = self._spawn(self._addresses(ns, rdtype, within, depth))
        return self._looking[key]

    async def _addresses(self, ns: Name, rdtype: Type, within: Cut, depth: int) -> list[str]:
        end = self.lookups[ns, rdtype] = await self._walk(ns, rdtype, ns, within, depth + 1)
        if end.reason != "answer":
            return []
        return [rdata.address for rdata in end.records[-1] if rdata.rdtype == rdtype]

    def _may_wait(self, asker: Name | None, ns: Name) -> bool:
        """May the lookup of `asker` wait for that of `ns`? Not when `ns`, in turn, waits for it."""
        if asker is None:
            return True
        path = self._path(ns, asker)
        if path:
            # a server below its own zone is missing glue, which is seen at the referral
            if len(path) > 1 and not any(set(path) == set(cycle) for cycle in self.cycles):
                self.cycles.append(path)
            return False
        self._waits.setdefault(asker, set()).add(ns)
        return True

    def _path(self, start: Name, goal: Name) -> list[Name]:
        """The lookups that lead from `start` to `goal`, both included; empty when none do."""
        came: dict[Name, Name | None] = {start: None}
        queue = [start]
        for name in queue:
            if name == goal:
                path = []
                at: Name | None = name
                while at is not None:
                    path.append(at)
                    at = came[at]
                return path[::-1]
            for further in self._waits.get(name, ()):
                if further not in came:
                    came[further] = name
                    queue.append(further)
        return []
