"""`python -m tools.gen [--check]`: write what is generated, or say what is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.gen import bash, fish, man, reference, zsh

ROOT = Path(__file__).resolve().parents[2]


def generated() -> dict[str, str]:
    """Path below the repository -> text."""
    files = {f"man/{name}": page for name, page in man.pages().items()}
    files["completions/sretool.bash"] = bash.script()
    files["completions/_sretool"] = zsh.script()
    files["completions/sretool.fish"] = fish.script()
    files["docs/commands.md"] = reference.commands_md()
    files["docs/checks.md"] = reference.checks_md()
    files["docs/exit-codes.md"] = reference.exit_codes_md()
    return files


def stale(files: dict[str, str]) -> list[str]:
    """Paths whose text differs from what the sources give, and pages of commands that are gone."""
    found = [
        path
        for path, text in files.items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != text
    ]
    return sorted(found + [path for path in _pages() if path not in files])


def _pages() -> list[str]:
    return [f"man/{page.name}" for page in (ROOT / "man").glob("*.1")]


def main(args: list[str]) -> int:
    """Exit code 1 when --check finds something stale."""
    files = generated()
    old = stale(files)
    if args == ["--check"]:
        for path in old:
            print(f"stale: {path}: run ./dev gen", file=sys.stderr)
        return 1 if old else 0
    if args:
        print(f"gen: {' '.join(args)}: only --check is known", file=sys.stderr)
        return 64
    for path in old:
        if path in files:
            (ROOT / path).parent.mkdir(exist_ok=True)
            (ROOT / path).write_text(files[path])
        else:
            (ROOT / path).unlink()
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
