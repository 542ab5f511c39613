from __future__ import annotations

import filters
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.sockets.filter.judge import Names, judge
from sretool.sockets.filter.kernel import bytecode, plan
from sretool.sockets.filter.parse import parse
from sretool.sockets.filter.tree import ALL, NONE, Const, Node, Not, Port, terms, within
from sretool.sockets.model import Socket

NAMES = Names({1: "lo", 2: "eth0"}, {"/system.slice/app.service": 77})


def row(**more: object) -> Socket:
    fields = dict.fromkeys(Socket.__struct_fields__)
    known = {"protocol": "tcp", "family": "inet", "state": "established", "retransmits": 0}
    ends = {
        "local_address": "10.0.0.1",
        "local_port": 40000,
        "remote_address": "192.0.2.7",
        "remote_port": 443,
    }
    return Socket(**{**fields, **known, **ends, **more})  # type: ignore[arg-type]


LISTENER = row(state="listen", local_port=80, remote_address=None, remote_port=None, accept_queue=0)
MAPPED = row(family="inet6", local_address="::ffff:10.0.0.1", remote_address="::ffff:192.0.2.7")
UNIX = row(
    protocol="unix-stream", family="unix", local_address="/run/app.sock", local_port=None, remote_address=None
)


@pytest.mark.parametrize(
    ("text", "one", "fits"),
    [
        ("dport = :443", row(), True),
        ("dport != :443", row(), False),
        ("dport = :0", LISTENER, True),  # as in the kernel: no peer is port 0 of 0.0.0.0
        ("dst 0.0.0.0", LISTENER, True),
        ("dst 192.0.2.0/24:443", row(), True),
        ("dst 192.0.2.0/24:80", row(), False),
        ("dst 192.0.2.0/24", MAPPED, True),
        ("dst [::ffff:192.0.2.7]", MAPPED, True),
        ("dst [::ffff:192.0.2.7]", row(), False),
        ("src [::]/0", MAPPED, True),
        ("src inet6:*", row(), False),
        ("state connected", LISTENER, False),
        ("state all", row(state="unknown-42"), False),
        ("dev eth0", row(interface="eth0"), True),
        ("dev 2", row(interface="eth0"), True),
        ("dev 9", row(interface="if9"), True),
        ("dev eth1", row(interface=None), False),
        ("fwmark = 0x10/0xf0", row(mark=0x11), True),
        ("fwmark = 0", row(mark=None), False),
        ("cgroup /system.slice/app.service", row(cgroup_id=77), True),
        ("cgroup /none", row(cgroup_id=None), False),
        ("autobound", row(), True),
        ("autobound", LISTENER, False),
        ("process = ngin", row(process="nginx"), True),
        ("process = ng*x", row(process="nginx"), True),
        ("process = ng*", row(process=None), False),
        ("process != nginx", row(process=None), True),
        ("container = web", row(container="0123", container_name="shop-web-1"), True),
        ("user = root", row(user="rootless"), False),
        ("user = root*", row(user="rootless"), True),
        ("pid = 12", row(pid=12), True),
        ("rtt_ms > 50", row(rtt_ms=50.5), True),
        ("rtt_ms > 50", row(rtt_ms=None), False),
        ("not rtt_ms <= 50", row(rtt_ms=None), True),
        ("src /run/*", UNIX, True),
        ("src @*", UNIX, False),
        ("dst /run/*", UNIX, False),
        ("sport < 80 or src 10.0.0.0/8", UNIX, False),
        ("src /run/*", row(), False),
    ],
)
def test_terms(text: str, one: Socket, fits: bool) -> None:
    assert judge(parse(text), NAMES)(one) is fits


ROWS = st.builds(
    row,
    local_port=st.sampled_from(filters.PORTS),
    remote_port=st.sampled_from((None, *filters.PORTS)),
    state=st.sampled_from(("listen", "established", "time-wait")),
    interface=st.sampled_from((None, "lo")),
    mark=st.sampled_from((0, 1, 0x11)),
    process=st.sampled_from((None, "python")),
    recv_q_bytes=st.sampled_from((None, 0, 5)),
    rtt_ms=st.sampled_from((None, 0.5)),
    pid=st.sampled_from((None, 1, 2)),
    uid=st.sampled_from((None, 0)),
)


@given(filters.trees(filters.ANY), ROWS)
def test_bounds_of_a_tree_lie_around_it(tree: Node, one: Socket) -> None:
    def known(term: object) -> bool:
        return isinstance(term, Port)

    above, exact, below = (
        judge(node, NAMES)(one) for node in (within(tree, known), tree, within(tree, known, upper=False))
    )
    assert below <= exact <= above


@given(filters.trees(filters.ANY), ROWS)
def test_the_plan_loses_nothing(tree: Node, one: Socket) -> None:
    made = plan(tree)
    number = {"listen": 10, "established": 1, "time-wait": 6}[one.state]
    sent = made.states >> number & 1 and judge(made.program, NAMES)(one)
    assert bool(sent and judge(made.rest, NAMES)(one)) is judge(tree, NAMES)(one)


def test_states_and_what_the_kernel_knows_leave_no_rest() -> None:
    assert plan(parse("state established dst 10/8 ( sport 1 or not dev lo )")).rest == ALL
    assert plan(parse("sport 1 or state listen")).rest == parse("sport 1 or state listen")
    assert plan(parse("sport 1 process = x")).rest == parse("process = x")


def run(code: bytes, local: int, remote: int) -> bool:
    """net/ipv4/inet_diag.c inet_diag_bc_run, for ports."""
    at = 0
    while at < len(code):
        operation, yes, no = code[at], code[at + 1], int.from_bytes(code[at + 2 : at + 4], "little")
        operand = int.from_bytes(code[at + 6 : at + 8], "little")
        fits = [False, local >= operand, local <= operand, remote >= operand, remote <= operand][
            operation - 1
        ]
        at += yes if fits else no
    return at == len(code)


@given(filters.trees(st.one_of(filters.PORT, st.just(ALL), st.just(NONE))), ROWS)
def test_programs_say_what_the_tree_says(tree: Node, one: Socket) -> None:
    code = bytecode(within(tree, lambda _: True), NAMES)
    local, remote = one.local_port or 0, one.remote_port or 0
    assert (code is None or run(code, local, remote)) is judge(tree, NAMES)(one)


def test_programs_go_no_further_than_a_jump_can() -> None:
    wide = parse(" or ".join(f"sport = {n}" for n in range(2000)))
    assert bytecode(wide, NAMES) is not None
    wider = parse(" or ".join(f"sport = {n}" for n in range(4000)))
    assert bytecode(wider, NAMES) is None
    assert bytecode(Const(True), NAMES) is None
    assert len(list(terms(Not(wider)))) == 4000
