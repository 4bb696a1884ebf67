"""Where in a JSON text its members stand, and which of them stand there twice.

The standard library's parser tells neither, and a YAML parser refuses the tabs that JSON may be indented with.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_PIECE = re.compile(r'[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


@dataclass(slots=True)
class Positions:
    """The line, from 1, of every member and element by its path; `twice` are the members that an object has twice."""

    lines: dict[Path, int] = field(default_factory=dict)
    twice: list[Path] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Where a path stands; where the nearest thing around it does when that is not in the text."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def positions(text: str) -> Positions:
    """The positions in a text that is valid JSON. Of a member that is there twice, the last counts, as for parsers."""
    found = Positions()
    stack: list[str | int] = []
    # For each open bracket: whether it is an object's that waits for a key.
    waits: list[bool | None] = []
    line = 1
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece[0] in "{[":
            _value(found, stack, line)
            waits.append(True if piece == "{" else None)
            stack.append("" if piece == "{" else 0)
        elif piece[0] in "}]":
            waits.pop()
            stack.pop()
        elif piece == ",":
            if waits and waits[-1] is None:
                stack[-1] = int(stack[-1]) + 1
            elif waits:
                waits[-1] = True
        elif piece[0] == '"' and waits and waits[-1]:
            stack[-1], waits[-1] = json.loads(piece, strict=False), False
            path = tuple(stack)
            if path in found.lines:
                found.twice.append(path)
            found.lines[path] = line
        elif piece != ":" and not piece.isspace():
            _value(found, stack, line)
        line += piece.count("\n")
    return found


def _value(found: Positions, stack: list[str | int], line: int) -> None:
    """A value begins: an element of a list stands where it does, a member where its key does."""
    path = tuple(stack)
    if not path or isinstance(path[-1], int):
        found.lines.setdefault(path, line)
