"""Flows of many nodes: from the agents, put in order of time; or from a file, as they stand there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ciliumctl.clients.kube import Kube
from ciliumctl.errors import BadFile, CiliumctlError, NotFound, Partial, UsageError
from ciliumctl.hubble import asking, choosing, matching, times
from ciliumctl.hubble.asking import Asked, Unanswered
from ciliumctl.hubble.filters import Filters
from ciliumctl.hubble.flow import Flow, read
from ciliumctl.hubble.ordering import Collected
from ciliumctl.report import Reporter

#: Flows that are shown when nobody says how many, as `hubble` does (hubble/pkg/defaults).
COUNT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which flows of those that pass: the `last` or the `first` N of all nodes together, `all`, or those of a time."""

    last: int = 0
    first: int = 0
    all: bool = False
    since: str = ""
    until: str = ""
    follow: bool = False

    def checked(self) -> Window:
        """This window in words that agents take. Raises `UsageError` for what contradicts itself."""
        given = {
            "--first": self.first > 0,
            "--last": self.last > 0,
            "--all": self.all,
            "--follow": self.follow,
            "--until": bool(self.until),
        }
        for one, other in (
            ("--first", "--last"),
            ("--first", "--all"),
            ("--first", "--follow"),
            ("--last", "--all"),
            ("--until", "--follow"),
        ):
            if given[one] and given[other]:
                raise UsageError(f"`{one}` and `{other}` cannot be combined")
        return replace(
            self,
            since=times.checked("--since", self.since) if self.since else "",
            until=times.checked("--until", self.until) if self.until else "",
        )

    @property
    def newest(self) -> int:
        """How many of the newest are kept; 0 for no such limit."""
        unlimited = self.first or self.all or self.since or self.until or self.follow
        return self.last or (0 if unlimited else COUNT)

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments for `hubble observe`. N of each agent are enough for N of all.

        With a time an agent's own `--last` would be another one: the first N since then, or, of the newest N, those up
        to then (`newRingReader` in Cilium's pkg/hubble/observer). So it is asked for all of that time.
        """
        found = [f"--{name}={value}" for name, value in (("since", self.since), ("until", self.until)) if value]
        if self.first:
            found.append(f"--first={self.first}")
        elif self.newest and not (self.since or self.until):
            found.append(f"--last={self.newest}")
        elif self.all:
            found.append("--all")
        return (*found, *(("--follow",) if self.follow else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows(Asked):
    """Flows in the order of their time, as Hubble wrote them, and who was asked for them.

    `lost` counts, by node, the events that the agent had lost before it was asked.
    """

    kind: ClassVar[str] = "HubbleFlows"

    flows: tuple[Mapping[str, Any], ...]
    lost: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservePlan:
    """What would be asked: Hubble's own filters, the nodes and why these, and the command in each agent."""

    kind: ClassVar[str] = "HubbleQuestion"

    allow: tuple[Mapping[str, Any], ...]
    deny: tuple[Mapping[str, Any], ...]
    raw: tuple[str, ...]
    nodes: tuple[str, ...]
    all_nodes: int
    narrowed: str
    why: str
    unready: tuple[str, ...]
    left_out: tuple[str, ...]
    command: tuple[str, ...]
    parallel: int

    @property
    def ok(self) -> bool:
        """Always: nothing was asked yet."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of whom."""

    filters: Filters
    window: Window
    reach: choosing.Reach

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments for `hubble observe` in each agent."""
        return (*self.window.words, *self.filters.words)


def explain(kube: Kube, question: Question) -> ObservePlan:
    """What would be asked. Asks the API server where the agents and the pods are, and no agent. Raises `NotFound`."""
    chosen = choosing.choose(kube, question.filters, question.reach)
    return ObservePlan(
        allow=question.filters.alternatives(negated=False),
        deny=question.filters.alternatives(negated=True),
        raw=(*question.filters.allow, *question.filters.deny),
        nodes=tuple(agent.node for agent in chosen.agents),
        all_nodes=chosen.all_nodes,
        narrowed=chosen.narrowed,
        why=chosen.why,
        unready=tuple(agent.node for agent in chosen.unready),
        left_out=chosen.left_out,
        command=(*asking.PROGRAM, *question.words),
        parallel=question.reach.parallel,
    )


@contextmanager
def observed(kube: Kube, question: Question, report: Reporter) -> Iterator[tuple[Iterator[Flow], Flows]]:
    """The flows of the agents in order, and who was asked (its `flows` are empty: they are the first part).

    Raises:
        NotFound: there is nobody to ask. ClusterError, UnknownFilter: nobody answered, and why.
    """
    window = question.window
    with report.step("Looking where to ask"):
        chosen = choosing.choose(kube, question.filters, question.reach)
    choosing.tell(chosen, report)
    with Collected(newest=window.newest, oldest=window.first) as collected:
        with report.step("Asking agents") as step:
            answers = asking.ask(
                kube,
                chosen,
                question.words,
                lambda flow: collected.add(flow.moment, flow.line),
                question.reach,
            )
            step.finish(
                f"{answers.flows} flows" + (f", {len(answers.unanswered)} silent" if answers.unanswered else "")
            )
        tell(answers, report)
        refuse_silence(answers, len(chosen.agents))
        about = Flows(
            flows=(),
            nodes=tuple(agent.node for agent in chosen.agents),
            unanswered=tuple(answers.unanswered),
            lost=answers.lost,
        )
        yield collected.flows(), about


_TOLD = 5


def tell(answers: asking.Answers, report: Reporter) -> None:
    """Warn of each node that did not answer, the first of many; and of what agents had lost."""
    for one in answers.unanswered[:_TOLD]:
        if one.code != "not-ready":
            report.warn(f"node `{one.node}`: {one.reason}")
    if len(answers.unanswered) > _TOLD:
        report.warn(f"and {len(answers.unanswered) - _TOLD} more nodes; `-o json` names them all")
    tell_lost(answers, report)


def tell_lost(answers: asking.Answers, report: Reporter) -> None:
    """Warn of what agents had lost."""
    if answers.lost:
        lost = ", ".join(f"{node} {count}" for node, count in sorted(answers.lost.items())[:_TOLD])
        report.warn(
            f"agents had lost events before they were asked ({lost})",
            "ask for less at a time, or raise `hubble.eventBufferCapacity`",
        )


def refuse_silence(answers: asking.Answers, asked: int) -> None:
    """Raise the first error when nobody answered at all; flows that came before a time-out are shown."""
    if asked and len(answers.errors) == asked and not answers.flows:
        raise answers.errors[0]
    if not asked and answers.unanswered:
        raise NotFound(
            "no agent that could be asked is ready",
            hint="`ciliumctl status` says why",
        )


def partial_error(unanswered: Sequence[Unanswered], asked: int) -> CiliumctlError | None:
    """The error of an answer that lacks nodes; `None` when it is whole."""
    if not unanswered:
        return None
    every = asked + sum(1 for one in unanswered if one.code == "not-ready")
    return lacking(
        f"{len(unanswered)} of {every} nodes did not answer:",
        unanswered,
        hint="the flows of the others are complete; `ciliumctl status` shows how the agents are",
    )


def lacking(said: str, unanswered: Sequence[Unanswered], hint: str) -> CiliumctlError:
    """The error of an answer that lacks nodes: what is said of them, and the first of their names."""
    names = ", ".join(one.node for one in unanswered[:_TOLD])
    more = f" and {len(unanswered) - _TOLD} more" if len(unanswered) > _TOLD else ""
    detail = "\n".join(f"{one.node}: {one.reason}" for one in unanswered)
    return Partial(f"{said} {names}{more}", hint=hint, detail=detail)


def from_lines(lines: Iterable[str], filters: Filters, window: Window, name: str) -> Iterator[Flow]:
    """The flows of a file that pass, in the order of the file; the last or first N of them when so many are wanted.

    Raises:
        BadFile: a line is no flow. UsageError: a filter that only agents can apply, or `--follow`.
    """
    if window.follow:
        raise UsageError("`--follow` and `--input-file` cannot be combined", hint="`tail -f FILE | … --input-file -`")
    passes = matching.predicate(filters)
    since = times.bound(window.since) if window.since else 0
    until = times.bound(window.until) if window.until else 0
    found = (
        flow
        for flow in _parsed(lines, name)
        if passes(flow) and (not since or flow.moment >= since) and (not until or flow.moment <= until)
    )
    if window.first:
        from itertools import islice

        return islice(found, window.first)
    if window.last:
        from collections import deque

        return iter(deque(found, maxlen=window.last))
    return found


def _parsed(lines: Iterable[str], name: str) -> Iterator[Flow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = read(line)
        except ValueError as error:
            raise BadFile(
                f"line {number} of `{name}` is no flow",
                hint="write the file with `ciliumctl hubble observe -o jsonpb`",
            ) from error
        if isinstance(found, Flow):
            yield found
