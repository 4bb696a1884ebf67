"""What is measured, and how it is shown."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2]
TOOL = [sys.executable, "-m", "ciliumctl"]


@dataclass(frozen=True)
class Figure:
    """One measurement: medians in `unit`, the largest resident memory in MB (0: not looked at); `ratio` is ours to the other."""

    what: str
    ours: float
    other: float = 0.0
    against: str = ""
    memory: float = 0.0
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times the other's ours is; 0 without another."""
        return self.ours / self.other if self.other else 0.0


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds and megabytes."""

    seconds: float
    memory: float


def run(argv: Sequence[str], environ: Mapping[str, str]) -> Run:
    """One run to its end, watched for its memory. Raises `CalledProcessError`."""
    started = time.monotonic()
    with subprocess.Popen(
        argv, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        drained = [threading.Thread(target=pipe.read) for pipe in (running.stdout, running.stderr) if pipe]
        for thread in drained:
            thread.start()
        _pid, code, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(code)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, list(argv))
    return Run(seconds=time.monotonic() - started, memory=usage.ru_maxrss / 1024)


def compared(what: str, ours: Sequence[Run], against: str, other: Sequence[Run]) -> Figure:
    """The figure of two series of runs; the second may be empty."""
    seconds = statistics.median(one.seconds for one in ours)
    say(f"{what}: {seconds:.2f} s")
    return Figure(
        what=what,
        ours=seconds,
        other=statistics.median(one.seconds for one in other) if other else 0.0,
        against=against if other else "",
        memory=max(one.memory for one in ours),
    )


def say(text: str) -> None:
    """A word about how far it is."""
    print(f"# {text}", flush=True)


def table(figures: Sequence[Figure]) -> None:
    """Print all of them."""
    width = max(len(figure.what) for figure in figures)
    print(f"\n{'':{width}}{'ours':>10}{'other':>10}{'ratio':>8}{'memory':>10}  against")
    for figure in figures:
        other = _amount(figure.other, figure.unit) if figure.other else "-"
        ratio = f"{figure.ratio:.2f}" if figure.other else "-"
        memory = f"{figure.memory:.0f} MB" if figure.memory else "-"
        ours = _amount(figure.ours, figure.unit)
        print(f"{figure.what:{width}}{ours:>10}{other:>10}{ratio:>8}{memory:>10}  {figure.against}")


def _amount(number: float, unit: str) -> str:
    if unit == "s":
        return f"{number:.2f} s"
    return f"{number:.0f}{unit}" if number >= 100 or number == int(number) else f"{number:.1f}{unit}"
