"""What is done on nodes, and what came of it on each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: `skipped` are nodes on which nothing runs, or that nobody asked for; they are no failure.
Outcome = Literal["done", "failed", "timed-out", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A script of `templates/nodework/`, with what it is told, and the image it runs in.

    `writes` gives it the node's files to change; otherwise they can only be read. `pull_secrets` are names of Secrets
    in `namespace`. `seconds` is the time that all nodes together have.
    """

    task: str
    title: str
    image: str
    environ: Mapping[str, str] = field(default_factory=dict)
    writes: bool = False
    pull_secrets: tuple[str, ...] = ()
    namespace: str = ""
    seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRun:
    """How it went on one node. `reason` is a stable word, empty when done; `answer` is the script's JSON document."""

    node: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    answer: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was not done where it should have been."""
        return self.outcome in {"failed", "timed-out"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """How it went on all nodes, in the order of their names."""

    task: str
    image: str
    nodes: tuple[NodeRun, ...]

    @property
    def ok(self) -> bool:
        """Whether it was done wherever something runs."""
        return not self.failed

    @property
    def failed(self) -> tuple[NodeRun, ...]:
        """The nodes where it was not done."""
        return tuple(one for one in self.nodes if one.failed)

    def count(self, outcome: Outcome) -> int:
        """How many nodes ended so."""
        return Counter(one.outcome for one in self.nodes)[outcome]

    @property
    def summary(self) -> str:
        """One short phrase."""
        told = [f"{self.count('done')} of {len(self.nodes)} nodes"]
        for outcome, word in (("failed", "failed"), ("timed-out", "timed out"), ("skipped", "skipped")):
            many = sum(one.outcome == outcome for one in self.nodes)
            told += [f"{many} {word}"] if many else []
        return ", ".join(told)


def answer_in(log: str, task: str) -> str:
    """The report in a log: its last line that is a JSON document of this task; empty when there is none."""
    for line in reversed(log.splitlines()):
        text = line.strip()
        if text.startswith('{"ciliumctl"') and members(text).get("ciliumctl") == task:
            return text
    return ""


def members(answer: str) -> dict[str, Any]:
    """The members of a JSON object in a text, such as a report; none of what is no JSON object."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
