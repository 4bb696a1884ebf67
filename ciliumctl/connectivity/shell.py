"""Many probes in one exec: a script that runs them at the same time, and what it printed taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from ciliumctl.connectivity.model import Probe

#: Probes in one exec. More of them would wait for the pod's CPU, not for the network.
BATCH = 24
#: What `timeout` ends with.
ENDED = 124
_MOST = 2000
_LINE_END = "\x1f"
_ANSWER = re.compile(r"^@(\d+) (\d+) (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe's command did: its exit code and what it said."""

    code: int
    said: str


def script(probes: Sequence[Probe]) -> list[str]:
    """The command that runs all of them and prints a line for each: its number, its exit code, what it said.

    A line is written at once and is shorter than a pipe's buffer, so that two do not mix.
    """
    lines = ['run() { n=$1 t=$2; shift 2; o=$(timeout $t sh -c "$1" 2>&1); c=$?;']
    lines += [f" o=$(printf '%s' \"$o\" | tail -c {_MOST} | tr '\\n\\r' '\\037 ');"]
    lines += [' printf "@%s %s %s\\n" $n $c "$o"; }']
    lines += [f"run {number} {probe.seconds} {quote(probe.command)} &" for number, probe in enumerate(probes)]
    lines += ["wait"]
    return ["sh", "-c", "\n".join(lines)]


def answers(output: str, count: int) -> list[Answer | None]:
    """What each probe said, by its number; `None` for one of which nothing came."""
    found: list[Answer | None] = [None] * count
    for number, code, said in _ANSWER.findall(output):
        if int(number) < count:
            found[int(number)] = Answer(int(code), said.replace(_LINE_END, "\n"))
    return found


def longest(probes: Sequence[Probe]) -> int:
    """Seconds after which the slowest of them has ended."""
    return max((probe.seconds for probe in probes), default=0)
