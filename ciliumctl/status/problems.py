"""What is wrong with an installation, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ciliumctl.status.components import component, tag
from ciliumctl.status.facts import COMPONENTS, Snapshot, Workload
from ciliumctl.status.trouble import Trouble
from ciliumctl.status.verdict import Problem

_MANY_RESTARTS = 3
_NAMED = 5


def of_snapshot(
    snapshot: Snapshot, troubles: Mapping[str, Sequence[Trouble]], elsewhere: Sequence[str]
) -> list[Problem]:
    """Everything that is wrong, errors and warnings. `troubles` has what a closer look found, by component."""
    problems: list[Problem] = []
    if not snapshot.installed:
        problems.append(_not_installed(snapshot, elsewhere))
    else:
        problems += [problem for name in COMPONENTS for problem in _component_problems(name, snapshot, troubles)]
        problems += [*_node_problems(snapshot), *_skew(snapshot), *_release_problems(snapshot)]
        problems += _unmanaged(snapshot)
    return problems + [_unread(part, snapshot) for part in snapshot.failures]


def _not_installed(snapshot: Snapshot, elsewhere: Sequence[str]) -> Problem:
    message = f"Cilium is not installed in namespace `{snapshot.namespace}`"
    if elsewhere:
        return Problem(
            severity="error",
            component="agent",
            message=f"{message}, but in `{', '.join(elsewhere)}`",
            hint=f"add `-n {elsewhere[0]}`",
            terminal=True,
        )
    return Problem(
        severity="error", component="agent", message=message, hint="`ciliumctl install --wait`", terminal=True
    )


def _component_problems(name: str, snapshot: Snapshot, troubles: Mapping[str, Sequence[Trouble]]) -> Iterable[Problem]:
    workload = snapshot.workloads.get(name)
    if workload is None:
        if component(name, snapshot).state == "missing":
            kind, object_name = COMPONENTS[name]
            yield Problem(
                severity="error",
                component=name,
                message=f"{kind} `{object_name}` is missing",
                hint="agents cannot start without the operator's CRDs; install again with `ciliumctl install`"
                if name == "operator"
                else "install again with `ciliumctl install`",
            )
        return
    found = troubles.get(name, ())
    if workload.observed and workload.ready < workload.desired:
        yield _unready(workload, found, snapshot.namespace)
    elif not workload.observed:
        yield Problem(
            severity="error", component=name, message=f"{name}: was just made or changed, no controller has acted yet"
        )
    elif workload.updated < workload.desired and not workload.waits:
        yield Problem(
            severity="error",
            component=name,
            message=f"{name}: a rollout is under way, {workload.updated} of {workload.desired} pods are new",
        )
    if workload.observed and workload.waits and workload.updated < workload.desired:
        yield _paused(workload)
    if name == "agent" and workload.desired == 0 and workload.observed and snapshot.nodes:
        yield Problem(
            severity="error",
            component=name,
            message=f"no node is selected for the agent, of {len(snapshot.nodes)}",
            hint="check `nodeSelector` and `affinity` in the values",
        )
    elif workload.desired == 0 and workload.observed and COMPONENTS[name][0] == "Deployment":
        yield Problem(
            severity="error",
            component=name,
            message=f"{name}: scaled to 0",
            hint=f"`kubectl scale deployment {COMPONENTS[name][1]} -n {snapshot.namespace} --replicas 1`",
        )
    restarting = [pod for pod in snapshot.pods.get(name, ()) if pod.ready and pod.restarts >= _MANY_RESTARTS]
    if restarting:
        yield Problem(
            severity="warning",
            component=name,
            message=f"{name}: {count(len(restarting), 'pod')} restarted {_MANY_RESTARTS} times or more",
            details=_named(f"{pod.name}: {pod.restarts} restarts, node {pod.node}" for pod in restarting),
            hint=f"`kubectl logs -n {snapshot.namespace} {restarting[0].name} --previous` says why",
        )


def _paused(workload: Workload) -> Problem:
    old = workload.desired - workload.updated
    what = "agents" if workload.component == "agent" else f"pods of {workload.component}"
    return Problem(
        severity="error",
        component=workload.component,
        message=f"{old} of {workload.desired} {what} still run the old version, updates are paused",
        hint="`ciliumctl upgrade --batch 10%` goes on, `ciliumctl upgrade` does the rest at once, "
        "`ciliumctl rollback` goes back",
    )


def _unready(workload: Workload, troubles: Sequence[Trouble], namespace: str) -> Problem:
    worst = _one_of_each(troubles)
    missing = workload.desired - workload.ready
    by_reason = Counter(trouble.reason for trouble in troubles)
    reasons = ", ".join(f"{number} {reason}" for reason, number in by_reason.most_common(4))
    return Problem(
        severity="error",
        component=workload.component,
        message=f"{workload.component}: {missing} of {workload.desired} not ready"
        + (f" ({reasons})" if reasons else ""),
        details=_named(_describe(trouble) for trouble in worst),
        hint=_hint(workload, worst, namespace),
        pod=next((trouble.pod for trouble in worst if trouble.pod), ""),
        container=next((trouble.container for trouble in worst if trouble.pod), ""),
        terminal=any(trouble.terminal for trouble in troubles),
    )


def _one_of_each(troubles: Sequence[Trouble]) -> list[Trouble]:
    """The troubles that say most first, one for each different text."""
    seen: dict[tuple[str, str], Trouble] = {}
    for trouble in sorted(troubles, key=lambda trouble: (not trouble.terminal, not trouble.message)):
        seen.setdefault((trouble.reason, trouble.message), trouble)
    return list(seen.values())


def _describe(trouble: Trouble) -> str:
    where = f" on {trouble.node}" if trouble.node else ""
    who = f"{trouble.pod}{where}: " if trouble.pod else ""
    said = f"{who}{trouble.reason}" + (f": {trouble.message}" if trouble.message else "")
    if trouble.last_end:
        # The same words often come as the reason to wait, as the last end and as an event.
        said += f"; last run: {trouble.last_end.replace(f': {trouble.message}', '')}"
    if trouble.event and not _says_nothing_new(trouble):
        said += f"; last event: {trouble.event}"
    return said


def _says_nothing_new(trouble: Trouble) -> bool:
    reason, _colon, words = trouble.event.partition(": ")
    known = f"{trouble.message} {trouble.last_end}"
    return words.removeprefix("Error: ") in known or (reason == "BackOff" and trouble.reason == "CrashLoopBackOff")


def _hint(workload: Workload, troubles: Sequence[Trouble], namespace: str) -> str:
    reasons = {trouble.reason for trouble in troubles}
    broken = next((trouble for trouble in troubles if trouble.pod), None)
    if "Unschedulable" in reasons and workload.component == "operator" and workload.desired > workload.ready > 0:
        return "there are fewer nodes than operators: `--set operator.replicas=1`"
    if "Unschedulable" in reasons:
        return "no node takes the pod: check taints, resources and ports"
    if reasons & {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}:
        return "check that the nodes reach the registry; behind a mirror set `image.repository` and its like"
    if broken is not None and reasons & {"CrashLoopBackOff", "Error"}:
        container = f" -c {broken.container}" if broken.container else ""
        return f"`kubectl logs -n {namespace} {broken.pod}{container} --previous` says why it ended"
    if "FailedCreate" in reasons:
        return "a quota or an admission policy refuses the pods; the message names it"
    return ""


def _node_problems(snapshot: Snapshot) -> Iterable[Problem]:
    agents = snapshot.workloads.get("agent")
    with_agent = {pod.node for pod in snapshot.pods.get("agent", ()) if pod.node}
    without = [node for node in snapshot.nodes if node.name not in with_agent]
    if agents is not None and without and agents.desired and agents.desired < len(snapshot.nodes):
        yield Problem(
            severity="warning",
            component="agent",
            message=f"{count(len(without), 'node')} of {len(snapshot.nodes)} not selected for an agent",
            details=_named(node.name for node in without),
            hint="pods there get no network from Cilium; the label `cilium.io/no-schedule` leaves nodes out on purpose",
        )


def _skew(snapshot: Snapshot) -> Iterable[Problem]:
    for name in ("agent", "operator"):
        part = component(name, snapshot)
        workload = snapshot.workloads.get(name)
        settled = workload is not None and workload.ready >= workload.desired and workload.updated >= workload.desired
        if len(part.versions) > 1 and settled:
            listed = ", ".join(f"{number} of {version}" for version, number in sorted(part.versions.items()))
            yield Problem(
                severity="warning", component=name, message=f"{name}: different versions run side by side: {listed}"
            )
    tags = {
        name: tag(workload.wanted_images[0])
        for name in ("agent", "operator", "hubble relay")
        if (workload := snapshot.workloads.get(name)) is not None and workload.wanted_images
    }
    if len(set(tags.values())) > 1:
        listed = ", ".join(f"{name} {version}" for name, version in tags.items())
        yield Problem(
            severity="warning",
            component="agent",
            message=f"the components are of different versions: {listed}",
            hint="only one version for all is tested; check `image.tag` and its like in the values",
        )


def _release_problems(snapshot: Snapshot) -> Iterable[Problem]:
    revision = snapshot.revision
    if revision is None or revision.status == "deployed":
        return
    if revision.pending:
        yield Problem(
            severity="warning",
            component="agent",
            message=f"Helm release `{revision.name}` is {revision.status}: an operation is at work, or was killed",
            hint="wait for it; when nobody is at work on it, `ciliumctl recover` shows what is applied and mends it",
        )
    else:
        yield Problem(
            severity="warning",
            component="agent",
            message=f"Helm release `{revision.name}` revision {revision.revision} is {revision.status}",
            hint=f"`helm history {revision.name} -n {revision.namespace}`",
        )


def _unmanaged(snapshot: Snapshot) -> Iterable[Problem]:
    if not snapshot.unmanaged or snapshot.config.get("disable-endpoint-crd") == "true":
        return
    yield Problem(
        severity="warning",
        component="agent",
        message=f"{count(len(snapshot.unmanaged), 'pod')} of {snapshot.networked} not managed by Cilium",
        details=_named(snapshot.unmanaged),
        hint="they were started before Cilium: restart them",
    )


def _unread(part: str, snapshot: Snapshot) -> Problem:
    error = snapshot.failures[part]
    return Problem(severity="warning", component="agent", message=f"{part}: {error.message}", hint=error.hint)


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(texts: Iterable[str]) -> tuple[str, ...]:
    listed = list(texts)
    if len(listed) <= _NAMED:
        return tuple(listed)
    return (*listed[:_NAMED], f"and {len(listed) - _NAMED} more")
