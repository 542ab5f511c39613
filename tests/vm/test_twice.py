"""A guest whose kernel panicked is started once more; one that failed otherwise is not."""

from __future__ import annotations

import pytest
import vm


@pytest.mark.parametrize(
    ("failures", "works"),
    [
        (["Kernel panic - not syncing"], True),
        (["the guest did not finish"], False),
        (["Kernel panic"] * 2, False),
    ],
)
def test_once_more_after_a_panic(failures: list[str], works: bool) -> None:
    left = list(failures)

    def work() -> str:
        if left:
            raise AssertionError(left.pop(0))
        return "done"

    if works:
        assert vm._twice(work) == "done"
    else:
        with pytest.raises(AssertionError):
            vm._twice(work)
