"""The ethtool ioctl of this machine, by way of the fact that recordings hold."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from sretool.errors import Missing
from sretool.host import ethtool
from sretool.host.live import Live

DEVICES = sorted(path.name for path in Path("/sys/class/net").glob("*") if (path / "device").exists())


def fact(name: str) -> dict:
    return json.loads(Live().fact("ethtool-stats", str(socket.if_nametoindex(name))))


def test_an_interface_without_a_driver_says_so():
    assert fact("lo") == {
        "ifname": "lo",
        "stats": [],
        "driver": None,
        "version": None,
        "firmware": None,
        "bus": None,
    }


def test_an_interface_that_is_not_there_is_missing():
    with pytest.raises(Missing):
        Live().fact("ethtool-stats", "2000000000")


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_has_the_driver_that_sysfs_names(name):
    driver = os.path.basename(os.readlink(f"/sys/class/net/{name}/device/driver"))
    found = fact(name)
    assert (found["ifname"], found["driver"]) == (name, driver)


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("ethtool") is None, reason="ethtool is not here")
@pytest.mark.parametrize("name", DEVICES)
def test_the_names_of_its_counters_are_those_of_ethtool(name):
    done = subprocess.run(["ethtool", "-S", name], capture_output=True, text=True, check=False)
    theirs = [line.rpartition(":")[0].strip() for line in done.stdout.splitlines()[1:]]
    assert [counter.strip() for counter, _ in fact(name)["stats"]] == theirs


def test_names_and_values_that_do_not_pair_are_left_out(monkeypatch):
    def ask(sock: socket.socket, name: bytes, head: bytes, size: int) -> bytes:
        count = 3 if head[:4] == ethtool.GSTATS.to_bytes(4, "little") else 2  # one more meanwhile
        at = 4 if count == 3 else 8
        return head[:at].ljust(at, b"\0") + count.to_bytes(4, "little") + bytes(size - at - 4)

    monkeypatch.setattr(ethtool, "_ask", ask)
    assert ethtool._stats(None, b"x", 2) == []  # type: ignore[arg-type]
