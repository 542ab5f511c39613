"""Name servers on loopback, with zones and faults as data, in a thread of the test.

Any 127/8 address can be bound without root. All servers of a world share one port.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone


@dataclass
class Server:
    """One address. `zones` are names of the world's zones; `faults` are applied in order:

    drop | drop:N (the first N) | drop-udp | delay:S | rcode:REFUSED | tc | wrong-id | wrong-question |
    upward | horizontal | no-opt | formerr-on-edns | close-tcp | not-aa | garbage | ede:CODE:TEXT |
    nsid:NAME | rcode-once:SERVFAIL | twice (a wrong reply, then the right one) | poison:NAME:ADDRESS |
    no-tcp (nothing listens there)
    """

    zones: tuple[str, ...]
    faults: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)


class World:
    """Servers by address, and zones by name (master-file text; `@` is the apex)."""

    def __init__(self, zones: dict[str, str], servers: dict[str, Server]) -> None:
        # what a zone's text leaves out: its SOA, and its NS set, which is then the parent's
        # `lab.#2` is another version of `lab.`, for a server that is behind
        self.zones = {name: _zone(name.partition("#")[0], text) for name, text in zones.items()}
        for zone in self.zones.values():
            if zone.get_rrset(zone.origin, dns.rdatatype.NS) is None:
                above = (other.get_rrset(zone.origin, dns.rdatatype.NS) for other in self.zones.values())
                for found in [rrset for rrset in above if rrset is not None]:
                    zone.find_node(zone.origin).replace_rdataset(found.to_rdataset())
        self.servers = servers

    def answer(self, server: Server, wire: bytes, tcp: bool) -> list[bytes]:
        """The packets that go back."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        server.seen.append(
            f"{'tcp' if tcp else 'udp'} {question.name} {dns.rdatatype.to_text(question.rdtype)}"
        )
        reply = dns.message.make_response(query)
        reply.use_edns(False)
        if query.edns >= 0:
            reply.use_edns(0, payload=1232)
        self._fill(server, question, reply)
        return self._spoil(server, query, reply, tcp)

    def _fill(self, server: Server, question: dns.rrset.RRset, reply: dns.message.Message) -> None:
        name, rdtype = question.name, question.rdtype
        hosted = [self.zones[zone] for zone in server.zones]
        enclosing = [zone for zone in hosted if name.is_subdomain(zone.origin)]
        if rdtype == dns.rdatatype.DS and len(enclosing) > 1:
            enclosing = [zone for zone in enclosing if zone.origin != name]
        if not enclosing:
            reply.set_rcode(dns.rcode.REFUSED)
            return
        zone = max(enclosing, key=lambda zone: len(zone.origin))
        apex = zone.origin
        for depth in range(len(apex) + 1, len(name) + 1):
            at = name.split(depth)[1]
            cut = zone.get_rrset(at, dns.rdatatype.NS)
            if cut is not None and not (rdtype == dns.rdatatype.DS and at == name):
                reply.authority.append(cut)
                for rdata in cut:
                    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
                        glue = zone.get_rrset(rdata.target, kind)
                        if glue is not None:
                            reply.additional.append(glue)
                return
        reply.flags |= dns.flags.AA
        self._authoritative(zone, apex, name, rdtype, reply)

    def _authoritative(self, zone, apex, name, rdtype, reply: dns.message.Message) -> None:  # type: ignore[no-untyped-def]
        for _ in range(20):
            found = zone.get_rrset(name, rdtype)
            alias = zone.get_rrset(name, dns.rdatatype.CNAME)
            if found is not None:
                reply.answer.append(found)
                return
            if alias is None:
                break
            if alias in reply.answer:
                return
            reply.answer.append(alias)
            name = alias[0].target
            if not name.is_subdomain(apex):
                return
        soa = zone.get_rrset(apex, dns.rdatatype.SOA)
        reply.authority.append(soa)
        if not any(owner.is_subdomain(name) for owner in zone.nodes):
            reply.set_rcode(dns.rcode.NXDOMAIN)

    def _spoil(  # noqa: C901
        self, server: Server, query: dns.message.Message, reply: dns.message.Message, tcp: bool
    ) -> list[bytes]:
        packets: list[bytes] = []
        root = dns.rrset.from_text(".", 300, "IN", "NS", "root.invalid.")
        for fault in server.faults:
            verb, _, value = fault.partition(":")
            if verb == "drop" and (not value or len(server.seen) <= int(value)):
                return []
            if verb == "drop-udp" and not tcp:
                return []
            if verb == "rcode" or (verb == "rcode-once" and len(server.seen) == 1):
                reply = dns.message.make_response(query)
                reply.set_rcode(dns.rcode.from_text(value))
            elif verb == "tc" and not tcp:
                reply.flags |= dns.flags.TC
                reply.answer, reply.authority, reply.additional = [], [], []
            elif verb == "not-aa":
                reply.flags &= ~dns.flags.AA
            elif verb in ("upward", "horizontal"):
                reply = dns.message.make_response(query)
                where = "." if verb == "upward" else server.zones[0]
                reply.authority = [
                    root if where == "." else dns.rrset.from_text(where, 9, "IN", "NS", "a.b.")
                ]
            elif verb == "no-opt":
                reply.use_edns(False)
            elif verb == "formerr-on-edns" and query.edns >= 0:
                reply = dns.message.make_response(query)
                reply.use_edns(False)
                reply.set_rcode(dns.rcode.FORMERR)
            elif verb == "ede":
                code, _, text = value.partition(":")
                reply.use_edns(0, options=[dns.edns.EDEOption(int(code), text or None)])
            elif verb == "nsid":
                reply.use_edns(0, options=[dns.edns.GenericOption(dns.edns.NSID, value.encode())])
            elif verb == "poison":
                owner, _, address = value.partition(":")
                reply.additional.append(dns.rrset.from_text(owner, 300, "IN", "A", address))
            elif verb == "garbage":
                return [reply.to_wire()[:40] + b"\xff" * 30]
            elif verb in ("wrong-id", "twice"):
                wrong = reply.to_wire()
                packets.append(bytes([wrong[0] ^ 0xFF]) + wrong[1:])
                if verb == "wrong-id":
                    return packets
            elif verb == "wrong-question":
                other = dns.message.make_query("other.invalid.", "A", id=query.id)
                return [dns.message.make_response(other).to_wire()]
        return [*packets, reply.to_wire(max_size=65535)]


def _zone(name: str, text: str) -> dns.zone.Zone:
    soa = "" if "SOA" in text else "@ 300 SOA ns. host. 1 2 3 4 60\n"
    return dns.zone.from_text(f"$TTL 300\n{soa}{text}", origin=name, relativize=False, check_origin=False)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, world: World, server: Server) -> None:
        self.world, self.server = world, server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        delay = next((float(f[6:]) for f in self.server.faults if f.startswith("delay:")), 0.0)
        asyncio.get_running_loop().call_later(delay, self._reply, data, addr)

    def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        for packet in self.world.answer(self.server, data, tcp=False):
            if not self.transport.is_closing():
                self.transport.sendto(packet, addr)  # type: ignore[attr-defined]


async def _tcp(
    world: World, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        if "close-tcp" not in server.faults:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            for packet in world.answer(server, await reader.readexactly(length), tcp=True):
                writer.write(struct.pack("!H", len(packet)) + packet)
                await writer.drain()
    writer.close()


def _free_port(addresses: list[str]) -> int:
    """A port that is free on every address, for UDP and TCP."""
    for _ in range(50):
        port = random.randrange(10240, 30000)
        with contextlib.ExitStack() as stack:
            try:
                for address in addresses:
                    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                        family = socket.AF_INET6 if ":" in address else socket.AF_INET
                        sock = stack.enter_context(socket.socket(family, kind))
                        sock.bind((address, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@contextlib.contextmanager
def serve(world: World) -> Iterator[int]:
    """Run every server of the world; its port."""
    addresses = [address for address, server in world.servers.items() if server.zones]
    port = _free_port(addresses)
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        endpoints, servers = [], []
        for address in addresses:
            server = world.servers[address]
            transport, _ = await loop.create_datagram_endpoint(
                lambda server=server: _Udp(world, server), local_addr=(address, port)
            )
            endpoints.append(transport)
            if "no-tcp" not in server.faults:
                servers.append(
                    await asyncio.start_server(
                        lambda r, w, server=server: _tcp(world, server, r, w), address, port
                    )
                )
        ready.set()
        await stop.wait()
        for each in (*endpoints, *servers):
            each.close()
        for each in servers:
            await each.wait_closed()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
