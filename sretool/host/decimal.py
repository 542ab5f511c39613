"""Numbers as the kernel prints them."""

from __future__ import annotations

LONGEST = 20  # characters of 2^64 - 1, and of -2^63


def integer(text: bytes | str) -> int:
    """The number in `text`, as int() takes it, if the kernel can have printed it.

    Raises:
        ValueError: it is none, or takes more than 64 bits. A recording may hold any digits, and what
            is done with a number later (a ratio, its text) fails for one of hundreds of them.
    """
    if len(text.strip()) > LONGEST:
        raise ValueError("more than 64 bits")
    return int(text)
