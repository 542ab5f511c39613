"""sretool, imported once: `sretool()` of cli.py asks it for commands, each a fork of this process, when
SRETOOL_TEST_FORKED is set. On one Python all commands are started as a user starts them; on the others
this saves them two thirds of their time.

A request is a line of JSON, a reply is a line with the child's pid and then one with its exit code.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, NoReturn


class Server:
    """The process to ask. `prefix` is what it is started by: in a namespace, as another user."""

    def __init__(self, env: dict[str, str], prefix: Sequence[str] = ()) -> None:
        argv = [*prefix, sys.executable, __file__]
        # no buffer: what is read ahead of a reply, select does not see
        self._process = subprocess.Popen(
            argv, bufsize=0, env=env, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, args: list[str], env: dict[str, str], timeout: float) -> tuple[int, bytes, bytes]:
        """Exit code and both streams of `sretool ARGS`.

        Raises:
            subprocess.TimeoutExpired: it did not end; it was killed.
        """
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)  # it may be another user
            streams = [Path(folder) / name for name in ("out", "err")]
            request = {"args": args, "env": env, "streams": [str(path) for path in streams]}
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
            pid = int(replies.readline())
            ended = select.select([replies], [], [], timeout)[0]
            if not ended:
                os.kill(pid, 9)
            code = int(replies.readline())
            if not ended:
                raise subprocess.TimeoutExpired(args, timeout)
            out, err = (path.read_bytes() for path in streams)
            return code, out, err

    def close(self) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()


@cache
def server(*env: tuple[str, str]) -> Server:
    """One for all tests of this process."""
    return Server(dict(env))


def _child(request: dict[str, object]) -> NoReturn:
    args, env, streams = request["args"], request["env"], request["streams"]
    assert isinstance(args, list)
    assert isinstance(env, dict)
    assert isinstance(streams, list)
    os.environ.clear()
    os.environ.update(env)
    for fd, path in ((1, streams[0]), (2, streams[1])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["sretool", *args]
    from sretool.__main__ import main

    code = 1
    try:
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    del sys.path[0]  # this folder
    from pkgutil import walk_packages

    import sretool

    for module in walk_packages(sretool.__path__, "sretool."):
        if not module.name.endswith("__main__"):
            __import__(module.name)
    # what the children print is not for whoever asks
    replies: IO[bytes] = os.fdopen(os.dup(1), "wb", buffering=0)
    os.set_inheritable(replies.fileno(), False)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in os.fdopen(os.dup(0), "rb"):
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        replies.write(b"%d\n" % pid)
        replies.write(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    _serve()
