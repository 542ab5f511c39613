"""Names of uids: passwd first, NSS for the rest."""

from __future__ import annotations

import errno
import os
import pwd

from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import SretoolError
from sretool.host.fake import Fake
from sretool.host.live import Live
from sretool.host.users import names

PASSWD = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n#no\n+::::::\nweb:x:33:33::/:/bin/false\n"


def test_the_first_line_of_a_uid_counts() -> None:
    assert names(Fake({"/etc/passwd": PASSWD}), [0, 33], []) == {0: "root", 33: "web"}


def test_nss_only_for_what_is_missing() -> None:
    errors: list[SretoolError] = []
    source = Fake({"/etc/passwd": PASSWD}, facts={"user 0": "wrong", "user 1000": "joe", "user 1001": None})
    assert names(source, [0, 1000, 1001], errors) == {0: "root", 1000: "joe", 1001: None}
    assert errors == []


def test_an_unreadable_passwd_is_noted_and_nss_still_asked() -> None:
    errors: list[SretoolError] = []
    source = Fake({"/etc/passwd": errno.EACCES}, facts={"user 0": "root"})
    assert names(source, [0], errors) == {0: "root"}
    assert [error.what for error in errors] == ["/etc/passwd"]


def test_this_host() -> None:
    assert names(Live(), [os.geteuid()], []) == {os.geteuid(): pwd.getpwuid(os.geteuid()).pw_name}
    assert names(Live(), [3_999_999_999], []) == {3_999_999_999: None}


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    names(Fake({"/etc/passwd": raw}), [0, 1], [])
