"""The filter and the command line of tcpdump: each word an argument of its own, nothing ever part of a script."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from ciliumctl import naming
from ciliumctl.capture.model import Limits
from ciliumctl.errors import UsageError

_COUNT = re.compile(
    r"^(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)", re.MULTILINE
)
_SAYS = re.compile(r"^tcpdump: ", re.MULTILINE)
#: What only the place of the capture can tell: names of its hosts and services.
_ELSEWHERE = ("unknown host", "unknown port", "unknown network", "no such device", "resolv")
_SECONDS = 10
#: Room for packets that wait to be written, in KiB: libpcap's own 2 MiB hold a few dozen of them when they are whole.
_BUFFER = "16384"
HINT = "`man pcap-filter` has the language: `'tcp port 80 and host 192.0.2.7'`"


def arguments(interface: str, limits: Limits, expression: str, file: str) -> list[str]:
    """The command that writes packets to `file`, `-` for its standard output, at once and to the nanosecond.

    The user stays root: builds that become another one could not be told to end. After `--` nothing is an option.
    """
    words = ["tcpdump", "-i", interface, "-nn", "-U", "--immediate-mode", "--time-stamp-precision=nano", "-Z", "root"]
    words += ["-B", _BUFFER, "-s", str(limits.snaplen)]
    if limits.packets:
        words += ["-c", str(limits.packets)]
    return [*words, "-w", file, *_last(expression)]


def compiling(interface: str, expression: str) -> list[str]:
    """The command that compiles a filter for an interface, and captures nothing."""
    return ["tcpdump", "-i", interface, "-d", *_last(expression)]


def _last(expression: str) -> list[str]:
    return ["--", expression] if expression else []


def check_here(expression: str) -> None:
    """Refuse a filter that this machine's tcpdump cannot compile, before anything is made; without one nothing happens.

    Raises:
        UsageError: with tcpdump's own words.
    """
    program = shutil.which("tcpdump")
    if program is None or not expression:
        return
    argv = [program, "-y", "EN10MB", "-d", *_last(expression)]
    try:
        ran = subprocess.run(
            argv,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        # The one where the packets are is asked as well.
        return
    if ran.returncode and not any(words in ran.stderr.lower() for words in _ELSEWHERE) and "syntax" in ran.stderr:
        raise refused(expression, ran.stderr)


def refused(expression: str, said: str) -> UsageError:
    """The error of a filter that tcpdump does not take, with its words."""
    return UsageError(
        f"tcpdump does not take the filter `{expression}`: {words_of(said)}", hint=HINT, detail=said.strip()
    )


def words_of(said: str) -> str:
    """What tcpdump says of an error, without its name and without what it says of itself."""
    lines = [line.strip() for line in said.splitlines() if _SAYS.match(line)] or said.strip().splitlines()[-1:]
    named = [line.removeprefix("tcpdump: ") for line in lines if "listening on" not in line]
    return (named or ["it says nothing"])[-1]


def counts(said: str) -> tuple[int | None, int | None]:
    """How many packets tcpdump says it received, and how many were dropped by the kernel or the interface."""
    found: dict[str, int] = {}
    for number, what in _COUNT.findall(said):
        found[what] = int(number)
    dropped = [found[what] for what in ("dropped by kernel", "dropped by interface") if what in found]
    return found.get("received by filter"), sum(dropped) if dropped else None


def captured(said: str) -> int:
    """How many packets tcpdump says it wrote; 0 when it does not say."""
    return next((int(number) for number, what in _COUNT.findall(said) if what == "captured"), 0)


def split(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Targets and filter out of the words of a command line: what comes first with a kind before a `/` are targets.

    The rest is the filter, put together as tcpdump itself does. A network such as `10.0.0.0/8` has no kind before it.
    """
    count = 0
    for word in words:
        if not naming.has_kind(word) or " " in word:
            break
        count += 1
    return tuple(words[:count]), " ".join(words[count:])
