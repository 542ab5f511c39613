"""`./dev bench [PART…]`: the rows of the table of targets for what exists; parts are named below."""

from __future__ import annotations

import sys

from bench import host, listings, measure, paths, startup

PARTS = {"startup": startup.rows, "listings": listings.rows, "paths": paths.rows, "host": host.rows}


def main(names: list[str]) -> int:
    """Figures never fail: whoever reads them compares."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"bench: {', '.join(unknown)}: the parts are {', '.join(PARTS)}", file=sys.stderr)
        return 64
    rows = []
    for name in names or PARTS:
        try:
            for row in PARTS[name]():
                print(f"{row.job}: {row.ours:.1f} {row.unit}", file=sys.stderr)
                rows.append(row)
        except (OSError, RuntimeError) as why:  # a crowd that this machine cannot hold
            print(f"{name}: stopped: {why}", file=sys.stderr)
    print(measure.table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
