"""What judging the nodes' facts gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be, on these nodes."""

    text: str
    nodes: tuple[str, ...]
    severity: Literal["error", "warning"] = "error"

    @property
    def where(self) -> str:
        """The nodes in a few words."""
        shown = ", ".join(self.nodes[:_SHOWN])
        more = len(self.nodes) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown


# How many nodes are named in a line.
_SHOWN = 3


def grouped(found: Iterable[tuple[str, Literal["error", "warning"], str]]) -> tuple[Problem, ...]:
    """Problems from (text, severity, node): one for each text, errors and what is on most nodes first."""
    nodes: dict[tuple[str, Literal["error", "warning"]], list[str]] = {}
    for text, severity, node in found:
        nodes.setdefault((text, severity), []).append(node)
    problems = [Problem(text=text, severity=severity, nodes=tuple(names)) for (text, severity), names in nodes.items()]
    return tuple(sorted(problems, key=lambda one: (one.severity != "error", -len(one.nodes), one.text)))
