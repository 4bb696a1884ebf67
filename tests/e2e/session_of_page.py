"""A page's session: its commands with the output that it shows, and whether what came has that shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)[^\n]*?(?:title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A line that stands for any number of lines, and a word that stands for any number of words.
ANY = "…"
#: What a shell answers with the exit code of the command above it.
_CODE = "echo $?"
#: What is called otherwise on every cluster: the names of pods and of what is made for a while.
_NAME = re.compile(r"(?=[a-z0-9-]*[a-z])(?=[a-z0-9-]*\d)[a-z0-9]+(?:-[a-z0-9]+)+")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command as it is typed, the lines shown below it, and the exit code where the page asks for it."""

    command: str
    shown: tuple[str, ...]
    code: int | None = None

    @property
    def fails(self) -> bool:
        """Whether the page shows it fail."""
        return bool(self.code) or any(line.startswith("error: ") for line in self.shown)

    def ends(self, code: int) -> bool:
        """Whether it ends with this code on the page."""
        return code == self.code if self.code is not None else (code != 0) is self.fails

    def called(self, names: Mapping[str, str]) -> str:
        """The command with the names that this cluster has for those of the page."""
        return re.sub(_NAME, lambda found: names.get(found[0], found[0]), self.command)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that the page shows by its name."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came beside what is shown.

    Attributes:
        missing: The first line that is shown and did not come, or not after the ones before it; empty when all came.
        names: Names of the page with those that came in their place.
    """

    missing: str
    names: Mapping[str, str]


def steps(page: Path) -> Iterator[Step | File]:
    """What is to be done, in the page's order."""
    for language, title, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        if title:
            yield File(name=title, text=block)
        elif language == "console":
            yield from _commands(block)


def _commands(block: str) -> list[Step]:
    found: list[Step] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        if command == _CODE:
            found[-1] = replace(found[-1], code=int(shown[0]))
        else:
            found.append(Step(command=command, shown=tuple(shown)))
    return found


def compare(shown: tuple[str, ...], said: str) -> Compared:
    """Hold what came against what is shown.

    Numbers, addresses and names with digits may be others, and so may the white space.
    """
    lines = iter(said.splitlines())
    names: dict[str, str] = {}
    for line in shown:
        if line == ANY:
            continue
        pattern = shape(line)
        came = next((one for one in lines if pattern.fullmatch(one.strip())), None)
        if came is None:
            return Compared(missing=line, names=names)
        if ANY not in line.split():
            for word, other in zip(line.split(), came.split(), strict=True):
                if _NAME.fullmatch(word):
                    names.setdefault(word, other)
    return Compared(missing="", names=names)


def shape(line: str) -> re.Pattern[str]:
    """What a line like this one looks like."""
    pattern = ""
    for word in line.split():
        if word == ANY:
            pattern += r"(?:\s.*)?" if pattern else r"(?:.*\s)?"
        elif _NAME.fullmatch(word):
            pattern += r"\s+[a-z0-9]+(?:-[a-z0-9]+)+"
        elif re.search(r"\d", word):
            pattern += r"\s+\S+"
        else:
            pattern += rf"\s+{re.escape(word)}"
    return re.compile(pattern.removeprefix(r"\s+").replace(r"(?:.*\s)?\s+", r"(?:.*\s)?"))
