"""The measured part of docs/benchmarks.md, in the form of its other parts."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

END = "<!-- measured: end -->"


@dataclass(frozen=True)
class Row:
    """One comparison, which should be at most the aim."""

    what: str
    figure: str
    against: str
    ratio: float
    least: float
    most: float
    aim: float

    def line(self) -> str:
        verdict = "met" if self.ratio <= self.aim else "**missed**"
        return (
            f"| {self.what} | {self.figure} | {self.against} | {self.ratio:.2f} ({self.least:.2f}–{self.most:.2f}) "
            f"| ≤ {self.aim:g}: {verdict} |\n"
        )


def table(rows: list[Row]) -> str:
    head = "| what | keypin | against | ratio (least–most) | aim |\n|---|---|---|---|---|\n"
    return head + "".join(row.line() for row in rows)


def rewrite(page: Path, command: str, text: str) -> None:
    """Puts the text in place of what the command has measured before."""
    begin = f"<!-- measured: written by {command} -->"
    before, begins, rest = page.read_text(encoding="utf-8").partition(begin + "\n")
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise SystemExit(f"{page} has no measured part between {begin} and {END}")
    page.write_text(f"{before}{begin}\n\n{text}\n{END}{after}", encoding="utf-8")


@dataclass
class Machine:
    """Where and when a run took place; it begins when this is made."""

    began: float = field(default_factory=time.monotonic)
    busy: float = field(default_factory=lambda: _busy())
    own: float = field(default_factory=lambda: _own())
    date: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))

    def heading(self, command: str, versions: str) -> str:
        took = time.monotonic() - self.began
        cores = os.cpu_count() or 1
        others = max(0.0, (_busy() - self.busy) - (_own() - self.own)) / took / cores
        memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
        duration = f"{int(took) // 60}m{int(took) % 60}s" if took >= 60 else f"{took:.0f}s"
        return (
            f"Measured {self.date} with `{command}`, in {duration}, at commit {_commit()}.\n"
            f"{_field('/proc/cpuinfo', 'model name')}, {cores} cores ({platform.machine()}); "
            f"{memory:.0f} GiB of memory; Linux {platform.release()}; Python {platform.python_version()}; {versions}.\n"
            f"Other processes took {100 * others:.0f} % of the processors' time during the run.\n"
        )


def _busy() -> float:
    """Seconds of processor time of everything (proc(5), stat)."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds of processor time of this process, and of its children that have ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    name = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
    if name.endswith("-dirty"):
        return name.removesuffix("-dirty") + ", with changes that are not committed"
    return name or "unknown"


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
