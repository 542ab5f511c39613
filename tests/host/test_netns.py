"""Numbers of network namespaces, from bytes and from the kernel."""

from __future__ import annotations

import os
import struct
import sys

import frames
import pytest
from cli import ROOT
from lab_netns import Namespace

from sretool.errors import ParseError
from sretool.host import netns
from sretool.host.live import Live


def answer(nsid: int) -> bytes:
    return frames.message(netns.RTM_NEWNSID, bytes(4) + frames.attribute(1, struct.pack("=i", nsid)))


def test_a_namespace_has_a_number_or_none():
    assert netns.number(answer(7)) == 7
    assert netns.number(answer(0)) == 0
    assert netns.number(answer(-1)) is None  # NETNSA_NSID_NOT_ASSIGNED
    assert netns.number(frames.message(netns.RTM_NEWNSID, bytes(4))) is None
    with pytest.raises(ParseError):
        netns.number(answer(7)[:-1])


ASK = """
import json, sys
from sretool.host import netlink, netns
request = netns.request(int(sys.argv[1]))
print(json.dumps([netns.number(netlink.answers([request])[request.key]), netns.named()]))
"""


@pytest.mark.lab
def test_a_process_and_a_name_lead_to_the_same_number():
    with Namespace() as here, Namespace() as there:
        process = there.python("import sys; print('ready', flush=True); sys.stdin.read()")

        def asked() -> tuple[int | None, dict]:
            ask = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", ASK, str(process.pid))
            number, named = here.json(*ask)
            [one] = [one for one in named if one["path"] == there.path]
            return number, one

        inode = os.stat(f"/proc/{process.pid}/ns/net").st_ino
        assert asked() == (None, {"path": there.path, "inode": inode, "nsid": None})
        here.run("ip", "netns", "set", there.name, "5")
        assert asked() == (5, {"path": there.path, "inode": inode, "nsid": 5})


def test_a_process_that_is_not_there_has_no_namespace():
    request = netns.request(2**22 + 5)
    assert isinstance(Live().answers([request])[request.key], int)
