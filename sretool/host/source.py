"""What a host is: the verbs every reader uses, whether the host is live, recorded or made up.

Every verb either returns bytes as the kernel gave them or raises a `SourceError`; in bulk verbs an
errno takes the place of the bytes. Readers never open a file themselves, which is what makes
`--from FILE` work for every passive command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from sretool.errors import Inconsistent, Missing, SourceError, SretoolError

READ_LIMIT_BYTES = 64 * 1024 * 1024
PID_DIGITS = 7  # of PID_MAX_LIMIT, 2^22 (include/linux/threads.h)


class Clock(NamedTuple):
    """One instant on three clocks, seconds. `boot` counts suspended time, `mono` does not."""

    wall: float
    mono: float
    boot: float


class Stat(NamedTuple):
    """The part of stat(2) that readers use. `links` is None in a recording that does not hold it."""

    mode: int
    inode: int
    device: int
    uid: int
    size_bytes: int
    blocks_512: int
    modified_s: float
    links: int | None = None


class StatVfs(NamedTuple):
    """The part of statvfs(3) that readers use; sizes in blocks of `block_bytes`."""

    block_bytes: int
    blocks: int
    blocks_free: int
    blocks_available: int
    inodes: int
    inodes_free: int
    inodes_available: int
    flags: int


class Dump(NamedTuple):
    """One netlink request. `key` names what is dumped, without filters: a recording finds it by
    that name, so a reader must apply its filter again to what comes back. `strict`: the kernel is to
    take header and attributes of the payload as a filter (NETLINK_GET_STRICT_CHK; one that does not
    know this dumps all).
    """

    key: str
    protocol: int
    type: int
    flags: int
    payload: bytes
    strict: bool = False


class Frames(NamedTuple):
    """Receive buffers as the kernel filled them; `consistent` is False when the kernel said that
    the table changed under every one of our tries (NLM_F_DUMP_INTR).
    """

    frames: list[bytes]
    consistent: bool


class Completed(NamedTuple):
    """A stock command that ran to its end."""

    exit_code: int
    stdout: bytes
    stderr: bytes


Bulk = dict[str, tuple[bytes | int, ...]]
"""Entry name -> one item a file asked, in that order: its bytes, or the errno that came instead."""


class Subscription(Protocol):
    """What a kernel table says of its changes, from the moment it was made."""

    def receive(self, timeout_s: float | None) -> bytes | None:
        """The next frame; None when none came in `timeout_s` seconds (None: wait for ever).

        Raises:
            Inconsistent: more came than could be kept, and some is lost.
        """

    def close(self) -> None:
        """End it."""


class Source(Protocol):
    """One host at one moment (live: at every moment)."""

    @property
    def name(self) -> str:
        """`live`, or `recording:FILE`: what the answer's `source` says."""

    @property
    def live(self) -> bool:
        """True when a later call may return something newer."""

    @property
    def earlier(self) -> Source | None:
        """The moment recorded before this one; None when live or when it is the first."""

    def clock(self) -> Clock:
        """The instant this source speaks of."""

    def read(self, path: str) -> bytes:
        """A whole file, at most READ_LIMIT_BYTES."""

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted, without `.` and `..`."""

    def walk(self, path: str) -> list[str]:
        """Every directory below `path`, as paths relative to it, `.` first, parents before
        children; symbolic links are not followed. Unreadable ones are listed, not entered.
        """

    def readlink(self, path: str) -> str:
        """Where a symbolic link points."""

    def stat(self, path: str) -> Stat:
        """stat(2), following links. May block on a dead mount: use for local files."""

    def stats(self, paths: Sequence[str], timeout_s: float = 1.0) -> dict[str, Stat | int]:
        """stat(2) of many files, following links, each within `timeout_s`; errno where it failed,
        ETIMEDOUT where it did not answer, and for all that come after three of those.
        """

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        """statvfs(3) of many mount points, each within `timeout_s`; errno where it failed,
        ETIMEDOUT where the filesystem did not answer.
        """

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        """`parent/entry/file` for every entry and file in one call. `guarded` reads in a child
        with a deadline: for files whose read can block for ever. An entry that vanished has
        ENOENT or ESRCH in every place.
        """

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        """For every entry, the links in `parent/entry/directory` as name -> target (this is how
        /proc/PID/fd is read), or the errno that listing it gave.
        """

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        """All frames of one netlink dump, or of one request's single answer."""

    def stream(self, request: Dump) -> Iterator[bytes]:
        """The frames of one dump as they come, for what is too large to be held; one try.

        Raises:
            Inconsistent: at the end, when the table changed meanwhile.
        """

    def subscribe(self, protocol: int, groups: Sequence[int]) -> Subscription:
        """What the netlink multicast `groups` of one protocol say from now on; only of a live host."""

    def answers(self, requests: Sequence[Dump]) -> dict[str, bytes | int]:
        """The one frame that answers each request, by its key, or the errno the kernel gave: many
        small questions to one netlink protocol (taskstats of 4,000 processes) in one call.
        """

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        """A stock command, with a fixed environment, no shell, and a deadline."""

    def fact(self, name: str, *args: str) -> bytes:
        """What is no file, frame or command; JSON bytes. The names are listed in `live.FACTS`."""


def changed(what: str) -> Inconsistent:
    """What a stream says at its end when the kernel said that the table changed (NLM_F_DUMP_INTR)."""
    return Inconsistent(what, "the table changed while it was read: a row may be missing, or twice")


T = TypeVar("T")


def attempt(errors: list[SretoolError], verb: Callable[..., T], *args: object) -> T | None:
    """`verb(*args)`, or None with the failure noted in `errors`: a failing reader costs its own
    part. What is simply not there (Missing) is None without a note.
    """
    try:
        return verb(*args)
    except Missing:
        return None
    except SourceError as error:
        errors.append(error)
        return None


def pids(source: Source) -> list[str]:
    """The processes in /proc, as it names them.

    Raises:
        SourceError: /proc cannot be listed.
    """
    return [
        name
        for name in source.listdir("/proc")
        if len(name) <= PID_DIGITS and name.isascii() and name.isdigit()
    ]
