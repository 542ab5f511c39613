"""Entry point. `--version` is answered before anything is imported."""

import os
import sys


def main() -> int:
    """Run sretool on sys.argv and return its exit code."""
    if sys.stderr is None:  # started with it closed
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stderr.write("sretool: stdout: is closed (send it somewhere)\n")
        return 3
    if sys.argv[1:] in (["--version"], ["-V"]):
        from sretool import __version__

        sys.stdout.write(f"sretool {__version__}\n")
        return 0
    import gc

    from sretool.cli import run

    # rows hold no cycles, and looking for some at every 700 new ones costs a list of 100,000 8 %
    gc.set_threshold(50_000)
    code = run(sys.argv[1:])
    # the interpreter would look through 100,000 rows for cycles before it ends: 25 ms at 4,000 processes
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
