"""What the policies said: which connections were allowed, denied or only audited, and by which rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from ciliumctl.clients.kube import Kube
from ciliumctl.hubble import observing
from ciliumctl.hubble.asking import Asked
from ciliumctl.hubble.counting import gathered, workload_of
from ciliumctl.hubble.flow import OUTCOMES, VERDICT, Flow, Outcome
from ciliumctl.report import Reporter

Key = tuple[str, str, int, str, str, Outcome, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One pair, one port, one outcome. `match` is how specific the rule was; `rules` are empty before Cilium 1.16."""

    source: str
    destination: str
    port: int
    protocol: str
    direction: str
    outcome: Outcome
    match: str
    rules: tuple[str, ...]
    flows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts(Asked):
    """What the policies said, the denied first. `rows` are the first of `different`."""

    kind: ClassVar[str] = "HubblePolicyVerdicts"

    rows: tuple[Verdict, ...]
    different: int
    allowed: int
    denied: int
    audited: int


@dataclass
class Gathering:
    """Counts verdicts."""

    counts: Counter[Key] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, flow: Flow) -> None:
        """Count a verdict; other flows are none."""
        outcome = OUTCOMES.get(flow.verdict)
        if flow.event != VERDICT or outcome is None:
            return
        self.outcomes[outcome] += 1
        said = flow.rules("denied") if outcome == "denied" else flow.rules("allowed")
        # An audited flow would be denied: who would is said as for one that is.
        rules = said or flow.rules("denied")
        # Workloads rather than single pods: a rule is about all of them.
        ends = (workload_of(flow.source), workload_of(flow.destination))
        self.counts[(*ends, flow.server_port, flow.protocol, flow.direction.lower(), outcome, flow.match, rules)] += 1


def gather(kube: Kube, question: observing.Question, most: int, report: Reporter) -> Verdicts:
    """Ask what the policies said. Raises as `counting.gathered` does."""
    gathering = Gathering()
    asked = gathered(kube, question, gathering.add, report)
    order = {"denied": 0, "audited": 1, "allowed": 2}
    ordered = sorted(gathering.counts.items(), key=lambda item: (order[item[0][5]], -item[1], item[0]))
    rows = [
        Verdict(
            source=key[0],
            destination=key[1],
            port=key[2],
            protocol=key[3],
            direction=key[4],
            outcome=key[5],
            match=key[6],
            rules=key[7],
            flows=count,
        )
        for key, count in ordered
    ]
    return Verdicts(
        rows=tuple(rows[: most or None]),
        different=len(rows),
        allowed=gathering.outcomes["allowed"],
        denied=gathering.outcomes["denied"],
        audited=gathering.outcomes["audited"],
        nodes=asked.nodes,
        unanswered=asked.unanswered,
    )
