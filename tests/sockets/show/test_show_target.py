from __future__ import annotations

import errno
import ipaddress

import frames
import pytest

from sretool.errors import Ambiguous, Denied, Missing, NotRecorded, UsageError
from sretool.host.fake import Fake
from sretool.sockets.read import diag
from sretool.sockets.show import target
from sretool.sockets.show.target import End, parse


def end(address: str | None, port: int | None) -> End:
    return End(None if address is None else ipaddress.ip_address(address).packed, port)


@pytest.mark.parametrize(
    ("text", "local", "remote"),
    [
        ("192.0.2.1:443-198.51.100.7:51514", end("192.0.2.1", 443), end("198.51.100.7", 51514)),
        ("[2001:db8::1]:443-[::2]:5", end("2001:db8::1", 443), end("::2", 5)),
        ("[fe80::1]%veth-a:22-[fe80::2]%veth-a:5", end("fe80::1", 22), end("fe80::2", 5)),
        ("::ffff:192.0.2.1-192.0.2.2:5", end("192.0.2.1", None), end("192.0.2.2", 5)),
        ("[::ffff:192.0.2.1]:443", end("192.0.2.1", 443), None),
        ("*:443-*", end(None, 443), end(None, None)),
        ("*:443", end(None, 443), None),
        ("2001:db8::1", end("2001:db8::1", None), None),
        ("192.0.2.1", end("192.0.2.1", None), None),
    ],
)
def test_ends(text, local, remote):
    found = parse(text)
    assert (found.local, found.remote) == (local, remote)


def test_two_words_are_two_ends():
    assert parse("10.0.0.1:80", "10.0.0.2:5")[1:4] == parse("10.0.0.1:80-10.0.0.2:5")[1:4]


def test_numbers_and_ports():
    assert parse(":443") == target.Wanted(":443", "port", End(None, 443))
    assert (parse("4242").kind, parse("4242").number) == ("number", 4242)
    assert (parse("pid:7").kind, parse("inode:7").kind) == ("pid", "inode")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nonsense",
        ":0",
        ":70000",
        ":x",
        "0",
        "pid:0",
        "pid:12345678",
        "99999999999",
        "a-b",
        "1.2.3.4:x",
        "1.2.3.4:",
        "[::1:80",
        "1.2.3:80",
        "*",
        "*:*",
        "*-*",
        "-",
        "inode:x",
        "1.2.3.4:5-",
        "\x1b[31m",
        "٣",
    ],
)
def test_what_names_no_socket_is_a_usage_error(text):
    with pytest.raises(UsageError):
        parse(text)


def tables(*raw: bytes) -> list[diag.Table]:
    return [diag.Table("tcp", "inet", diag.decode([b"".join(raw)], "tcp", "inet", diag.ALL_STATES))]


def inodes(source: Fake, found: list[diag.Table], text: str) -> list[int]:
    return [r[0][16] for table in target.select(source, found, parse(text)) for r in table.records]


HERE = tables(
    frames.socket_message("10.0.0.1", 80, inode=1),
    frames.socket_message("10.0.0.1", 80, "10.0.0.2", 5000, state=1, inode=2),
    frames.socket_message("10.0.0.1", 80, "10.0.0.2", 5001, state=1, inode=3),
    frames.socket_message("10.0.0.1", 4000, "10.0.0.9", 80, state=1, inode=4),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:80-10.0.0.2:5000", [2]),
        ("10.0.0.2:5001-10.0.0.1:80", [3]),  # as the other host writes it
        ("10.0.0.1:80", [1, 2, 3]),
        ("10.0.0.2", [2, 3]),
        (":80", [1, 2, 3, 4]),
        (":5000", [2]),
        ("inode:4", [4]),
        ("10.0.0.3:80", []),
    ],
)
def test_select(text, expected):
    assert inodes(Fake({}), HERE, text) == expected


def test_both_ends_of_a_loopback_connection_are_told_apart():
    here = tables(
        frames.socket_message("127.0.0.1", 80, "127.0.0.1", 5000, state=1, inode=1),
        frames.socket_message("127.0.0.1", 5000, "127.0.0.1", 80, state=1, inode=2),
    )
    assert inodes(Fake({}), here, "127.0.0.1:80-127.0.0.1:5000") == [1]
    assert inodes(Fake({}), here, "127.0.0.1:5000-127.0.0.1:80") == [2]


def test_a_number_is_a_pid_or_an_inode_or_ambiguous():
    held = Fake({}, links={"/proc/4/fd/3": "socket:[2]", "/proc/4/fd/4": "socket:[3]"})
    assert inodes(held, HERE, "pid:4") == [2, 3]
    assert inodes(held, HERE, "inode:4") == [4]
    assert inodes(held, HERE, "3") == [3]
    with pytest.raises(Ambiguous) as caught:
        inodes(held, HERE, "4")
    assert caught.value.matches == [("pid:4", "its sockets, 2"), ("inode:4", "the socket of that inode")]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, Denied), (errno.ENODATA, NotRecorded), (errno.EPERM, Denied)]
)
def test_a_process_we_may_not_look_into_is_not_one_without_sockets(number, kind):
    class Closed(Fake):
        def links(self, parent, entries, directory):
            return dict.fromkeys(entries, number)

    with pytest.raises(kind):
        inodes(Closed({}), HERE, "pid:9")


def test_why_there_is_nothing():
    empty = Fake({})
    assert "no TCP or UDP socket uses this port" in str(target.nothing(empty, parse(":9"), []))
    assert "no process this pid" in str(target.nothing(empty, parse("9"), []))
    here = Fake({"/proc/9/comm": b"x\n"})
    assert "holds no TCP or UDP socket" in str(target.nothing(here, parse("9"), []))
    assert isinstance(target.nothing(empty, parse(":9"), []), Missing)
    blind = target.nothing(empty, parse(":9"), [NotRecorded("inet-diag/tcp/4", "not in this recording")])
    assert (blind.code, blind.exit_code) == ("not-recorded", 3)
