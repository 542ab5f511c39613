"""Faults as data: tests/vm/faults/CHECK.sh, each a shell file that makes one fault on a booted host.

    # a line on what it is
    # sample: 3                      seconds between the readings; 0 where one is enough
    # subject: /system.slice/x.*     the finding's subject (its id, name or unit), as a glob
    # also: disk.latency             optional, one more check that must see it, of the same subject
    # severity: critical             optional
    # options: --set a.b=1           optional, more words for triage
    # afterwards: --set a.b=1        optional, for the look at the healthy host that comes after all
    # release: trixie                optional, where only that has it
    # beside: others                 optional: it takes little, so it is made and looked at together with all
                                     that say so
    inject() { …; }                  returns when the fault is there: it waits for it with `await`
    heal() { …; }                    leaves the host as it was

A second fault for one check is CHECK--WORD.sh.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vm import Script

FAULTS = Path(__file__).resolve().parents[1] / "vm" / "faults"
HEADER = re.compile(
    r"^# (sample|subject|also|severity|options|afterwards|release|beside): +(.+)$", re.MULTILINE
)

OLDER = {"cgroup.io-max", "cgroup.oom-kill", "cgroup.pids-max", "process.disk-sleep", "units.restart-loop"}
PRELUDE = ". /opt/payload/prelude.sh\n"


@dataclass(frozen=True)
class Fault:
    """One file of tests/vm/faults."""

    name: str
    header: dict[str, str]
    text: str

    @property
    def checks(self) -> list[str]:
        """The ids of the checks that must see it."""
        return [self.name.partition("--")[0], *self.header.get("also", "").split()]


def together(release: str) -> list[list[Fault]]:
    """The faults of `release`, those in one list made at the same time."""
    every = faults(release)
    beside = [fault for fault in every if "beside" in fault.header]
    return [beside, *([fault] for fault in every if fault not in beside)]


def script(made: list[Fault], release: str) -> Script:
    """Make the faults, let triage look, and take them away again."""
    lines = [PRELUDE]
    for number, fault in enumerate(made):
        lines.append(re.sub(r"^(inject|heal)\(\)", rf"\1_{number}()", fault.text, flags=re.MULTILINE))
    lines.append(f"trap '{'; '.join(f'heal_{number}' for number in reversed(range(len(made))))}' EXIT")
    lines += [f"inject_{number}" for number in range(len(made))]
    checks = ",".join(check for fault in made for check in fault.checks)
    sample = max(int(fault.header.get("sample", "1")) for fault in made)
    options = " ".join(fault.header.get("options", "") for fault in made)
    lines.append(f"warm triage --json --only {checks} --sample {sample} {options}")
    name = made[0].name if len(made) == 1 else f"{len(made)} at once"
    return Script(f"fault {name} on {release}", "\n".join(lines) + "\n", release)


def _read(path: Path) -> Fault:
    text = path.read_text()
    header = dict(HEADER.findall(text))
    assert "subject" in header, f"{path}: says no subject"
    return Fault(path.stem, {key: value.strip() for key, value in header.items()}, text)


def faults(release: str) -> list[Fault]:
    """Those made on `release`: all on trixie; on an older one, for the time it takes, those of the files
    that changed most between kernels.
    """
    every = [_read(path) for path in sorted(FAULTS.glob("*.sh"))]
    if release != "trixie":
        every = [fault for fault in every if fault.name in OLDER]
    return [fault for fault in every if release in fault.header.get("release", release)]


def healthy(release: str, when: str) -> Script:
    """All of triage, once the work of the boot, or of the fault before, has ended. Of what leaves a
    trace by its nature (a kill in the kernel's log) only the window is set shorter.
    """
    options = " ".join(fault.header.get("afterwards", "") for fault in faults(release))
    given = options if when == "after" else ""
    return Script(
        f"healthy {when} on {release}",
        f"{PRELUDE}warm version\nawait calm\nwarm triage --json --sample 2 {given}\n",
        release,
        first=when == "before",
    )
