"""A page's session: its commands with the output that it shows, and whether what came has that shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)[^\n]*?(?:title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A line that stands for any number of lines.
ANY = "…"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command as it is typed, and the lines shown below it."""

    command: str
    shown: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether the page shows it fail."""
        return any(line.startswith("error: ") for line in self.shown)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that the page shows by its name."""

    name: str
    text: str


def steps(page: Path) -> Iterator[Step | File]:
    """What is to be done, in the page's order."""
    for language, title, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        if title:
            yield File(name=title, text=block)
        elif language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, *shown = part.rstrip("\n").split("\n")
                yield Step(command=command, shown=tuple(shown))


def missing(shown: tuple[str, ...], said: str) -> str:
    """The first line that is shown and did not come, or not after the ones before it; empty when all came.

    Numbers, addresses and names with digits may be others, and so may the white space.
    """
    lines = iter(said.splitlines())
    for line in shown:
        if line != ANY:
            pattern = shape(line)
            if not any(pattern.fullmatch(came.strip()) for came in lines):
                return line
    return ""


def shape(line: str) -> re.Pattern[str]:
    """What a line like this one looks like."""
    words = [r"\S+" if re.search(r"\d", word) else re.escape(word) for word in line.split()]
    return re.compile(r"\s+".join(words))
