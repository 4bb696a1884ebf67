"""Is Cilium well? Look once, or wait until it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ciliumctl import owners
from ciliumctl.clients.kube import Kube, Resource
from ciliumctl.errors import ApiFailed, CiliumctlError, ClusterError, TimedOut, Unreachable
from ciliumctl.report import Reporter, Step
from ciliumctl.status import deep as agents
from ciliumctl.status.collect import collect, elsewhere
from ciliumctl.status.facts import Snapshot
from ciliumctl.status.judge import judge
from ciliumctl.status.trouble import Trouble, last_log, of_pods, of_workload
from ciliumctl.status.verdict import Component, NodeLine, Problem, Status
from ciliumctl.wait import Deadline, overtime, poll

__all__ = ["Component", "NodeLine", "Problem", "Status", "Where", "look", "summary", "unhealthy", "wait"]

#: Says on a step how far Cilium is.
Tell = Callable[[Step, Status], None]
#: Seconds that a state such as CrashLoopBackOff may last before a wait gives up on it.
GRACE = 30.0
_INTERVAL = 2.0
# The longest detail in a line of progress; the result has it whole.
_LINE = 160
#: Seconds for a last look, and for the last log lines, when the time is up.
_LAST_LOOK = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which installation."""

    namespace: str
    release: str
    storage: Resource


def look(kube: Kube, where: Where, *, light: bool = False, deep: bool = False) -> Status:
    """Look once. Ten requests in parallel, and two for each pod in trouble (at most five of a component).

    Without a Helm release some more are made for who installed it.

    `deep` runs a command in every ready agent; `light` leaves out what a wait does not need.
    """
    snapshot = collect(kube, namespace=where.namespace, release_name=where.release, storage=where.storage, light=light)
    other: Sequence[str] = () if snapshot.installed else elsewhere(kube, where.namespace)
    theirs = snapshot.installed and snapshot.release is None and "release" not in snapshot.failures and not light
    owner = _owner(kube, where) if theirs else ""
    status = judge(snapshot, troubles(kube, snapshot), other, owner)
    return agents.look(kube, status) if deep else status


def _owner(kube: Kube, where: Where) -> str:
    """Who installed it, with the evidence; empty when that cannot be told, which is no failure of a status."""
    try:
        found = owners.of_cilium(kube, namespace=where.namespace, release_name=where.release)
    except CiliumctlError:
        return ""
    return f"{found.tool} ({'; '.join(found.evidence)})" if found is not None else ""


def troubles(kube: Kube, snapshot: Snapshot) -> Mapping[str, Sequence[Trouble]]:
    """Look closely at what is not ready."""
    found: dict[str, list[Trouble]] = {}
    for component, workload in snapshot.workloads.items():
        pods = snapshot.pods.get(component, ())
        unready = [pod for pod in pods if not pod.ready]
        if unready:
            found[component] = of_pods(kube, snapshot.namespace, unready)
        if len(pods) < workload.desired:
            trouble = of_workload(kube, snapshot.namespace, workload)
            if trouble is not None:
                found.setdefault(component, []).append(trouble)
    return found


def wait(
    kube: Kube,
    where: Where,
    *,
    deadline: Deadline,
    report: Reporter,
    fail_fast: bool = True,
    deep: bool = False,
    tell: Tell | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Look until Cilium is healthy, a state that will not mend itself has lasted, or the time is up.

    An API server that goes away for a while is waited for. `tell` says how far it is, where counts are not enough.
    Returns the last status, healthy or not.

    Raises:
        ClusterError: the cluster could not be reached at all, or refuses us.
    """
    since: float | None = None
    last: Status | None = None

    with report.step("Waiting for Cilium") as step:

        def probe() -> Status | None:
            nonlocal since, last
            try:
                status = look(kube, where, light=True)
            except (Unreachable, ApiFailed, TimedOut) as error:
                if last is None or (deadline.passed and not isinstance(error, TimedOut)):
                    raise
                # Our own time being up is no word about the server.
                if not deadline.passed:
                    step(f"the API server does not answer: {error.message}")
                return None
            last = status
            since = (since if since is not None else clock()) if status.terminal else None
            (tell or _tell)(step, status)
            return status

        def done(status: Status | None) -> bool:
            if status is None:
                return False
            gave_up = fail_fast and since is not None and clock() - since >= GRACE
            return status.ok or gave_up or not status.installed

        while True:
            poll(probe, done, deadline=deadline, interval=_INTERVAL, sleep=sleep)
            last = last or _late_look(kube, where)
            if not last.ok:
                break
            with overtime(kube, seconds=_LAST_LOOK):
                full = look(kube, where, deep=deep)
            if _rolls_on(full) and not deadline.passed:
                continue
            step.finish("healthy" if full.ok else "unhealthy", outcome="done" if full.ok else "failed")
            return full
        step.finish(summary(last), outcome="failed")
    with overtime(kube, seconds=_LAST_LOOK):
        return with_logs(kube, _whole(kube, where, last))


def _late_look(kube: Kube, where: Where) -> Status:
    with overtime(kube, seconds=_LAST_LOOK):
        return look(kube, where, light=True)


def _rolls_on(full: Status) -> bool:
    """Whether a rollout took the next pod between two looks."""
    return not full.ok and any(part.state == "unhealthy" for part in full.components)


def _whole(kube: Kube, where: Where, last: Status) -> Status:
    """The whole status where a wait gave up; the last look of the wait when the cluster does not answer any more."""
    try:
        found = look(kube, where)
    except (ClusterError, TimedOut):
        return last
    # It may have come right at the last moment; then it is right.
    return found


def _tell(step: Step, status: Status) -> None:
    counted = [
        f"{component.name} {component.ready}/{component.desired}"
        for component in status.components
        if component.state in {"healthy", "unhealthy"}
    ]
    lines = [
        line
        for problem in status.problems
        if problem.severity == "error"
        for line in (problem.message, *(f"  {_short(detail)}" for detail in problem.details))
    ]
    step(", ".join(counted) or "nothing there yet", lines)


def _short(text: str) -> str:
    """A detail for a line of progress: runtimes wrap an error in what they tried, so its end says most."""
    if len(text) <= _LINE:
        return text
    start = text[: _LINE // 3].rsplit(" ", 1)[0]
    return f"{start} … {text[-(_LINE - len(start) - 3) :].split(' ', 1)[-1]}"


def summary(status: Status) -> str:
    """What is wrong, in one line."""
    errors = [problem.message for problem in status.problems if problem.severity == "error"]
    return "; ".join(errors[:3]) or "healthy"


def with_logs(kube: Kube, status: Status) -> Status:
    """Add the last log lines of the worst pod to what is wrong."""
    worst = next((problem for problem in status.problems if problem.severity == "error" and problem.pod), None)
    log = last_log(kube, status.namespace, worst.pod, worst.container) if worst is not None else ""
    if worst is None or not log:
        return status
    lines = (f"last log lines of {worst.pod}:", *(f"  {line}" for line in log.splitlines()))
    told = replace(worst, details=(*worst.details, *lines))
    return replace(status, problems=tuple(told if problem is worst else problem for problem in status.problems))


def unhealthy(status: Status, deadline: Deadline) -> TimedOut | None:
    """The error of a wait that ran out of time; `None` when it ended for another reason."""
    if status.ok or not deadline.passed:
        return None
    return TimedOut(
        f"Cilium is not healthy in time: {summary(status)}",
        hint="`ciliumctl status` shows how it goes on; raise `--timeout` when it is only slow",
    )
