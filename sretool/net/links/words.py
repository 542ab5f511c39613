"""The counters of an interface in words: the descriptions of the model are the one place that has them."""

from __future__ import annotations

from functools import lru_cache
from typing import get_args, get_type_hints

from sretool.net.links.model import Stats


@lru_cache(maxsize=1)
def _meanings() -> dict[str, str]:
    hints = get_type_hints(Stats, include_extras=True)
    return {name: get_args(hint)[1].description for name, hint in hints.items()}


def meaning(counter: str) -> str:
    """What a counter of `Stats` counts, in words."""
    return _meanings()[counter]
