"""Flows counted, by whatever a flow has to be counted by. The memory grows with the answers, not with the flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ciliumctl.clients.kube import Kube
from ciliumctl.errors import UsageError
from ciliumctl.hubble import asking, choosing, observing, reasons
from ciliumctl.hubble import flow as flows
from ciliumctl.hubble.asking import Asked
from ciliumctl.hubble.flow import Flow, Side
from ciliumctl.report import Reporter

Words = Sequence[str]


def _name(side: Side) -> str:
    if side.pod:
        return f"{side.namespace}/{side.pod}"
    return side.reserved or side.host


def _place(side: Side) -> str:
    return side.namespace or side.reserved or "-"


def workload_of(side: Side) -> str:
    """The workload of a pod, else the pod; of others the identity's name or what they are called."""
    return next((f"{side.namespace}/{name}" for _kind, name in side.workloads), "") or _name(side)


def _identity(side: Side) -> str:
    return side.reserved or str(side.identity)


def _both(of: Callable[[Side], str]) -> Callable[[Flow], Words]:
    """Of either end; a flow within one counts once."""
    return lambda found: tuple(dict.fromkeys((of(found.source), of(found.destination))))


def reason_of(found: Flow) -> str:
    """Why it was dropped, in Cilium's words; `-` when it was not, or nobody says."""
    if found.layer7:
        return f"{found.layer7} rule" if found.verdict == "DROPPED" else "-"
    return reasons.of(found.reason, found.reason_name).text if found.reason else "-"


#: What flows can be counted by; some count a flow for both ends.
BY: Mapping[str, Callable[[Flow], Words]] = {
    "pod": _both(_name),
    "from-pod": lambda found: (_name(found.source),),
    "to-pod": lambda found: (_name(found.destination),),
    "namespace": _both(_place),
    "from-namespace": lambda found: (_place(found.source),),
    "to-namespace": lambda found: (_place(found.destination),),
    "workload": _both(workload_of),
    "from-workload": lambda found: (workload_of(found.source),),
    "to-workload": lambda found: (workload_of(found.destination),),
    "identity": _both(_identity),
    "from-identity": lambda found: (_identity(found.source),),
    "to-identity": lambda found: (_identity(found.destination),),
    "port": lambda found: (str(found.server_port or "-"),),
    "protocol": lambda found: ((found.layer7 or found.protocol or "-").lower(),),
    "verdict": lambda found: (found.verdict,),
    "reason": lambda found: (reason_of(found),),
    "type": lambda found: (flows.kind_of(found),),
    "direction": lambda found: (found.direction.lower() or "-",),
    "node": lambda found: (found.node.rpartition("/")[2] or "-",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer: the values in the order of `by`, how many flows, and how many of them were dropped."""

    values: tuple[str, ...]
    flows: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Top(Asked):
    """Flows counted, most first. `rows` are the first of `different` answers; `flows` is the number of all flows."""

    kind: ClassVar[str] = "HubbleTop"

    by: tuple[str, ...]
    rows: tuple[Row, ...]
    different: int
    flows: int
    dropped: int


@dataclass
class Counted:
    """Counts flows by some of `BY`."""

    by: tuple[str, ...]
    flows: Counter[tuple[str, ...]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, ...]] = field(default_factory=Counter)
    total: int = 0
    lost: int = 0

    def add(self, found: Flow) -> None:
        """Count one flow."""
        self.total += 1
        gone = found.verdict in {"DROPPED", "ERROR"}
        self.lost += gone
        keys: list[tuple[str, ...]] = [()]
        for name in self.by:
            keys = [(*key, value) for key in keys for value in BY[name](found)]
        for key in keys:
            self.flows[key] += 1
            self.dropped[key] += gone

    def rows(self, most: int) -> tuple[Row, ...]:
        """The most frequent answers, at most so many (0: all)."""
        ordered = sorted(self.flows.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Row(values=key, flows=count, dropped=self.dropped[key]) for key, count in ordered[: most or None])


def parse_by(text: str) -> tuple[str, ...]:
    """What `--by a,b` means. Raises `UsageError`."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in BY:
            raise UsageError(f"flows cannot be counted by `{name}`", hint=f"some of {', '.join(BY)}")
    if not names:
        raise UsageError("`--by` names nothing", hint=f"some of {', '.join(BY)}")
    return names


def gathered(kube: Kube, question: observing.Question, take: Callable[[Flow], None], report: Reporter) -> Asked:
    """Give `take` the flows that are asked for, one at a time and in no order; returns who was asked.

    With a number of last or first flows those are held until all nodes have answered.

    Raises:
        NotFound: there is nobody to ask. ClusterError, UnknownFilter: nobody answered, and why.
    """
    window = question.window
    if window.newest or window.first:
        with observing.observed(kube, question, report) as (found, about):
            for one in found:
                take(one)
        return about
    chosen = choosing.choose(kube, question.filters, question.reach)
    choosing.tell(chosen, report)
    with report.step("Asking agents") as step:
        answers = asking.ask(kube, chosen, question.words, take, question.reach)
        step.finish(f"{answers.flows} flows, nodes: {len(chosen.agents)}")
    observing.tell(answers, report)
    observing.refuse_silence(answers, len(chosen.agents))
    return Asked(nodes=tuple(agent.node for agent in chosen.agents), unanswered=tuple(answers.unanswered))


def top(kube: Kube, question: observing.Question, by: tuple[str, ...], most: int, report: Reporter) -> Top:
    """Count the flows that are asked for. Raises as `gathered` does."""
    counted = Counted(by)
    asked = gathered(kube, question, counted.add, report)
    return Top(
        by=by,
        rows=counted.rows(most),
        different=len(counted.flows),
        flows=counted.total,
        dropped=counted.lost,
        nodes=asked.nodes,
        unanswered=asked.unanswered,
    )
