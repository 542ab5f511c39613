"""What the decoders make of damaged frames: rows, or a ParseError."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sretool.errors import ParseError
from sretool.sockets.read import diag, others, tcp_info
from sretool.sockets.read.rows import maker
from sretool.sockets.read.whose import NOBODY

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.bin"))
MUTATIONS = 100_000


def inet(name: str) -> Callable[[bytes], int]:
    protocol, family = name.split("-")
    make = maker(protocol, family, {1: "lo"}, {}, info=True, more=True)

    def decode(raw: bytes) -> int:
        records = diag.decode([raw], protocol, family, 0xFFFFFFFF)
        for record in records:
            make(record, NOBODY)
            found = diag.attributes(record, name)
            diag.memory(found.get(diag.INET_DIAG_SKMEMINFO))
            tcp_info.decode(found.get(diag.INET_DIAG_INFO))
        return len(records)

    return decode


def decoder(name: str) -> Callable[[bytes], int]:
    if name in others.KINDS:
        return lambda raw: len(others.decode(name, [raw], 0xFFFFFFFF, {1: "lo"}))
    return inet(name)


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Bits flipped, numbers made extreme, a piece cut out, doubled, or put at the end."""
    made = bytearray(raw)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(made) or 1)
        way = chance.randrange(6)
        if way == 0:
            made[at : at + 1] = bytes([chance.randrange(256)])
        elif way == 1:
            at &= ~3
            made[at : at + 4] = chance.choice((b"\0" * 4, b"\xff" * 4, b"\1\0\0\0", b"\x7f\xff\xff\xff"))
        elif way == 2:
            at &= ~1
            made[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\4\0", b"\3\0", b"\x10\0"))
        elif way == 3:
            del made[at : at + chance.randrange(1, 64)]
        elif way == 4:
            made[at:at] = made[at : at + chance.randrange(1, 64)]
        else:
            del made[at:]
    return bytes(made)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_whole_frames_are_rows(path: Path) -> None:
    assert decoder(path.stem)(path.read_bytes()) >= 1


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_damaged_frames_are_rows_or_a_parse_error(path: Path) -> None:
    raw, decode, chance = path.read_bytes(), decoder(path.stem), random.Random(path.stem)
    refused = 0
    for _ in range(MUTATIONS // len(CORPUS)):
        try:
            decode(mutated(raw, chance))
        except ParseError:
            refused += 1
    assert refused > 0
