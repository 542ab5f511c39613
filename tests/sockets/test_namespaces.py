"""Which network namespaces there are, and what they are called, from a made-up /proc."""

from __future__ import annotations

import errno

import pytest
from engine_replies import ID, SHORT

from sretool.errors import SretoolError
from sretool.host.attribution import attribute
from sretool.host.fake import Fake
from sretool.sockets import read
from sretool.sockets.read import namespaces
from sretool.sockets.read.namespaces import Place

HOST, BOX, NAMED, LONELY = 4026531840, 4026532001, 4026532002, 4026532003


def host(**more: object) -> Fake:
    inodes = {"1": HOST, "self": HOST, "40": HOST, "812": BOX, "813": BOX, "900": NAMED}
    files = {f"/proc/{pid}/comm": f"app{pid}\n" for pid in inodes if pid != "self"}
    files |= {f"/proc/{pid}/cgroup": f"0::/docker/{ID}\n" for pid in ("812", "813")}
    names = [
        {"path": "/run/docker/netns/0a1b", "inode": BOX, "nsid": 0},
        {"path": "/run/netns/blue", "inode": NAMED, "nsid": None},
        {"path": "/run/netns/empty", "inode": LONELY, "nsid": None},
    ]
    given = {
        "links": {f"/proc/{pid}/ns/net": f"net:[{inode}]" for pid, inode in inodes.items()},
        "facts": {"netns-names": names},
        **more,
    }
    return Fake(files, **given)  # type: ignore[arg-type]


def test_every_namespace_once_and_what_opens_it() -> None:
    errors: list[SretoolError] = []
    here, elsewhere = namespaces.places(host(), errors)
    assert errors == []
    assert here is not None
    assert (here.inode, here.members, here.name({})) == (HOST, (1, 40), "host")
    assert [(place.inode, place.ways) for place in elsewhere] == [
        (BOX, ["/run/docker/netns/0a1b", "/proc/812/ns/net", "/proc/813/ns/net"]),
        (NAMED, ["/run/netns/blue", "/proc/900/ns/net"]),
        (LONELY, ["/run/netns/empty"]),
    ]
    assert [place.name({}) for place in elsewhere] == [SHORT, "blue", "empty"]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Place(5, None, (2, 40), "kthreadd"), "host"),
        (Place(5, None, (2, 40), "sh"), "sh[2]"),
        (Place(5, "/run/docker/netns/0a1b", (7,), "nginx"), "0a1b"),
        (Place(5, "/run/netns/blue", (7,), "nginx", attribute(f"/docker/{ID}")), "blue"),
        (Place(5, None, (7,), None), "net:[5]"),
        (Place(5), "net:[5]"),
    ],
)
def test_names(place: Place, name: str) -> None:
    assert place.name({}) == name


def test_what_was_not_recorded_is_told() -> None:
    source = host(links={})
    source.links = lambda parent, entries, directory: dict.fromkeys(entries, errno.ENODATA)  # type: ignore[method-assign]
    now = read.sample(source, read.Ask(everywhere=True, owners=False))
    assert "not-recorded" in {error.code for error in now.errors}
    assert "/proc/PID/ns" in {error.what for error in now.errors}


def test_a_fact_of_another_form_is_told() -> None:
    errors: list[SretoolError] = []
    here, elsewhere = namespaces.places(host(facts={"netns-names": [{"path": 1}]}), errors)
    assert [error.code for error in errors] == ["parse"]
    assert here is not None
    assert [place.inode for place in elsewhere] == [BOX, NAMED]
