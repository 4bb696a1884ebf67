"""Progress of a rollout node by node: a line for each node that is done, in large clusters for each tenth of them."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.change import nodes
from ciliumctl.change.batches import natural
from ciliumctl.change.nodes import View
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import ClusterError, TimedOut
from ciliumctl.report import Step
from ciliumctl.status import Status, Tell

#: Up to so many nodes each gets a line of its own.
SMALL = 20
_TENTHS = 10


def following(kube: Kube, namespace: str) -> Tell:
    """What tells of a rollout while it is waited for; asks for the nodes itself, and keeps what it said."""
    told = Told()

    def tell(step: Step, status: Status) -> None:
        try:
            views = nodes.look(kube, namespace)
        except (ClusterError, TimedOut):
            # The wait itself says when the API server is away.
            return
        told(step, views, status)

    return tell


class Told:
    """What was said already."""

    def __init__(self) -> None:
        self._ready: dict[str, frozenset[str]] = {}
        self._last = ""

    def __call__(self, step: Step, views: Sequence[View], status: Status) -> None:
        """Say what changed since the last look; the same again where nothing did, which a sink leaves out."""
        news = [line for view in views for line in self._news(view)]
        if not self._last:
            news = [counted(views, status)]
        for line in news[:-1]:
            step(line)
        self._last = news[-1] if news else self._last
        trouble = _trouble(status)
        step(self._last, trouble)
        step.glance(counted(views, status), [*_moving(views), *trouble])

    def _news(self, view: View) -> list[str]:
        now = frozenset(node for node, pod in view.new.items() if pod.ready)
        before = self._ready.get(view.component)
        self._ready[view.component] = now
        if before is None:
            return []
        if view.desired <= SMALL:
            known = len(now & before)
            return [
                f"{view.component} on {node} is new and ready ({known + number} of {view.desired})"
                for number, node in enumerate(sorted(now - before, key=natural), 1)
            ]
        tenths = [len(nodes_) * _TENTHS // view.desired for nodes_ in (before, now)]
        return (
            [f"{view.component}: {len(now)} of {view.desired} nodes are new and ready"] if tenths[1] > tenths[0] else []
        )


def counted(views: Sequence[View], status: Status) -> str:
    """How far each part is, in one line."""
    on_nodes = {view.component: f"{view.component} {view.ready}/{view.desired} new" for view in views}
    others = {
        part.name: f"{part.name} {min(part.ready, part.updated)}/{part.desired}"
        for part in status.components
        if part.desired and part.name not in on_nodes
    }
    return ", ".join([*on_nodes.values(), *others.values()]) or "nothing there yet"


def _moving(views: Sequence[View]) -> list[str]:
    """The nodes whose pod is being replaced right now, since when, and what holds it up."""
    found = []
    for view in views:
        for node, pod in sorted(view.new.items()):
            if not pod.ready:
                since = f" for {pod.age}" if pod.age else ""
                found.append(f"{view.component} on {node}: {pod.state.removeprefix('Init:')}{since}")
        found += [
            f"{view.component} on {node}: the old one is {pod.state}"
            for node, pod in sorted(view.old.items())
            if not pod.ready
        ]
    return found


def _trouble(status: Status) -> list[str]:
    """What does not come up by waiting, and why; a rollout that is only under way is none."""
    return [
        line
        for problem in status.problems
        if problem.severity == "error" and problem.terminal
        for line in (problem.message, *(f"  {detail}" for detail in problem.details))
    ]
