"""Start the DaemonSet, read each node's report as soon as it is there, and take everything away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    DAEMON_SETS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    ROLE_BINDINGS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Kube,
    Manifest,
    dig,
)
from ciliumctl.errors import ApiFailed, CiliumctlError, ClusterError, NotFound, Unreachable
from ciliumctl.nodework import bed, choosing, leaving
from ciliumctl.nodework.model import NodeRun, Work, WorkDone, answer_in, members
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter, Step
from ciliumctl.status.collect import pods_of
from ciliumctl.status.facts import Pod
from ciliumctl.status.trouble import TERMINAL, Trouble, explain, last_event, last_log
from ciliumctl.wait import Deadline, overtime, poll

#: Seconds that a bad state must last: the first pull may fail once.
GRACE = 12.0
_OPENSHIFT = "security.openshift.io"
_LAST_LOOK = 10.0
# Seconds between two renewals of the session's mark.
_RENEWAL = 10.0
# More lines than any report has: the kubelet counts the pieces of a long line.
_ALL = 1_000_000
# What pods show besides: the script died, or the kubelet would not take the pod.
_STATES = TERMINAL | {"Error", "OOMKilled", "Evicted", "NodeAffinity", "UnexpectedAdmissionError"}
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}


def run(
    kube: Kube,
    work: Work,
    *,
    owner: str,
    report: Reporter,
    only: Sequence[str] = (),
    alone: bool = False,
) -> WorkDone:
    """Run `work` on every node, or on those named in `only`.

    What one node does not do stops no other. Everything that is made is taken away, however it ends. `alone` says that
    no other run can be at this task: then what is left of it goes first, however young.

    Raises:
        Forbidden: this user may not make the namespace, the DaemonSet or what they need.
    """
    choice = choosing.choose(list(kube.objects(NODES)), only)
    leaving.clean_up(kube, report, alone=work.task if alone else "")
    if not choice.names:
        return _done(work, choice.others)
    session = bed.new(work.task, owner)
    with report.step(work.title) as step:
        step(f"{len(choice.names)} nodes", done=0, total=len(choice.names))
        try:
            ran = _watch(kube, _start(kube, work, session, choice), step)
        finally:
            leaving.take_away(kube, session.namespace, report)
        result = _done(work, (*choice.others, *ran))
        step.finish(result.summary, outcome="failed" if result.failed else "done")
    return result


def _done(work: Work, ran: Sequence[NodeRun]) -> WorkDone:
    return WorkDone(task=work.task, image=work.image, nodes=tuple(sorted(ran, key=lambda one: one.node)))


@dataclass(slots=True, kw_only=True)
class _Watch:
    """What is known while the pods run."""

    work: Work
    session: bed.Session
    waiting: set[str]
    deadline: Deadline
    uid: str
    ended: dict[str, NodeRun] = field(default_factory=dict)
    #: Since when a node's pod is in a state that will not mend itself.
    bad: dict[str, float] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    renewed: float = field(default_factory=time.monotonic)
    started: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic


def _start(kube: Kube, work: Work, session: bed.Session, choice: choosing.Choice) -> _Watch:
    place = session.namespace
    made = kube.create(NAMESPACES, bed.namespace(session))
    kube.create(SERVICE_ACCOUNTS, bed.account(session), place)
    if _OPENSHIFT in kube.groups():
        kube.create(ROLE_BINDINGS, bed.openshift_grant(session), place)
    for name in work.pull_secrets:
        secret = kube.find(SECRETS, name, work.namespace)
        if secret is not None:
            kube.create(SECRETS, bed.pull_secret(session, secret), place)
    kube.create(CONFIG_MAPS, bed.script(session, work), place)
    manifest = bed.daemon_set(session, work, choosing.affinity(choice), _moment(made))
    created = kube.create(DAEMON_SETS, manifest, place)
    return _Watch(
        work=work,
        session=session,
        waiting=set(choice.names),
        deadline=kube.deadline.within(work.seconds),
        uid=dig(created, "metadata", "uid", default=""),
    )


def _moment(made: Manifest) -> float:
    """The cluster's own time: this machine's may differ."""
    try:
        return datetime.fromisoformat(dig(made, "metadata", "creationTimestamp", default="")).timestamp()
    except ValueError:
        return datetime.now(UTC).timestamp()


def _watch(kube: Kube, watch: _Watch, step: Step) -> list[NodeRun]:
    total = len(watch.waiting)

    def look() -> bool:
        try:
            # The last look of all comes when the time is up: the reports that are there must not be lost.
            with overtime(kube, seconds=_LAST_LOOK):
                _look(kube, watch)
        except (Unreachable, ApiFailed) as error:
            # It may be away for a moment; the pods do their work meanwhile.
            step.glance(error.message)
        step(f"{len(watch.ended)} of {total} nodes", done=len(watch.ended), total=total)
        return not watch.waiting

    poll(look, bool, deadline=watch.deadline, interval=0.5 if total < 50 else 2.0)
    for node, ended in zip(sorted(watch.waiting), _late(watch), strict=True):
        watch.ended[node] = ended
    return list(watch.ended.values())


def _look(kube: Kube, watch: _Watch) -> None:
    _renew(kube, watch)
    watch.pods = pods_of(kube.table(PODS, watch.session.namespace, cached=False))
    _read_ready(kube, watch)
    _give_up_on_bad(kube, watch)


def _renew(kube: Kube, watch: _Watch) -> None:
    """Say that this run lives; the next one removes what is not renewed."""
    if watch.clock() - watch.renewed < _RENEWAL:
        return
    watch.renewed = watch.clock()
    expires = (datetime.now(UTC) + bed.LIFE).isoformat(timespec="seconds")
    kube.patch(NAMESPACES, watch.session.namespace, {"metadata": {"annotations": {bed.EXPIRES: expires}}})


def _end(watch: _Watch, ended: NodeRun) -> None:
    watch.ended[ended.node] = ended
    watch.waiting.discard(ended.node)


def _read_ready(kube: Kube, watch: _Watch) -> None:
    ready = [pod for pod in watch.pods if pod.node in watch.waiting and pod.state == "Running"]
    reads = gather([partial(_read, kube, watch, pod) for pod in ready])
    for pod, ended in zip(ready, reads, strict=True):
        if isinstance(ended, NodeRun):
            _end(watch, ended)
        elif isinstance(ended, NotFound):
            # The pod went with its node, or was evicted meanwhile: another one may come.
            continue
        elif isinstance(ended, CiliumctlError):
            detail = f"the report cannot be read: {ended.message}"
            _end(watch, NodeRun(node=pod.node, outcome="failed", reason="unreadable", detail=detail))
        else:
            raise ended


def _read(kube: Kube, watch: _Watch, pod: Pod) -> NodeRun:
    log = kube.logs(watch.session.namespace, pod.name, container=watch.work.task, tail=_ALL)
    answer = answer_in(log, watch.work.task)
    if not answer:
        said = log.strip().splitlines()[-1:] or ["nothing"]
        detail = f"the script gave no report; it said: {said[0][:200]}"
        return NodeRun(node=pod.node, outcome="failed", reason="script", detail=detail)
    refused = str(members(answer).get("refused") or "")
    if refused:
        return NodeRun(node=pod.node, outcome="failed", reason="refused", detail=refused, answer=answer)
    return NodeRun(node=pod.node, outcome="done", answer=answer)


def _give_up_on_bad(kube: Kube, watch: _Watch) -> None:
    """End the wait for nodes whose pods are in a state that will not mend itself, once it has lasted."""
    bad = {_key(pod): pod for pod in watch.pods if _is_bad(pod) and (not pod.node or pod.node in watch.waiting)}
    for key in [key for key in watch.bad if key not in bad]:
        del watch.bad[key]
    for key in bad:
        watch.bad.setdefault(key, watch.clock())
    due = [pod for key, pod in bad.items() if watch.clock() - watch.bad[key] >= GRACE]
    for found in gather([partial(_explain, kube, watch, pod) for pod in due]):
        if isinstance(found, NodeRun) and found.node in watch.waiting:
            _end(watch, found)
    if not watch.pods and watch.clock() - watch.started >= GRACE:
        _give_up_on_all(kube, watch)


def _key(pod: Pod) -> str:
    """A rejected pod is made anew under another name: its node is what lasts."""
    return pod.node or pod.name


def _is_bad(pod: Pod) -> bool:
    state = pod.state.removeprefix("Init:")
    return state in _STATES or state.startswith("OutOf") or (state == "Pending" and not pod.node)


def _explain(kube: Kube, watch: _Watch, pod: Pod) -> NodeRun | None:
    place = watch.session.namespace
    manifest = kube.find(PODS, pod.name, place)
    if manifest is None:
        return None
    trouble = explain(manifest, last_event(kube, place, dig(manifest, "metadata", "uid", default="")))
    return NodeRun(
        node=_node_of(manifest),
        outcome="failed",
        reason=_reason(trouble, pod),
        detail=_detail(kube, watch, pod, trouble),
    )


def _node_of(pod: Manifest) -> str:
    """A pod's node; of one that is not placed yet, the one that the DaemonSet made it for."""
    term = ("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", 0, "matchFields", 0, "values", 0)
    meant: str = dig(pod, "spec", "affinity", "nodeAffinity", *term, default="")
    return dig(pod, "spec", "nodeName", default="") or meant


def _reason(trouble: Trouble, pod: Pod) -> str:
    if trouble.reason in _IMAGE or pod.state.removeprefix("Init:") in _IMAGE:
        return "image"
    if not pod.node or trouble.reason == "Unschedulable" or pod.state.startswith("OutOf"):
        return "unschedulable"
    return "script"


def _detail(kube: Kube, watch: _Watch, pod: Pod, trouble: Trouble) -> str:
    said = ""
    if pod.node and trouble.reason not in _IMAGE:
        log = last_log(kube, watch.session.namespace, pod.name, watch.work.task)
        said = log.splitlines()[-1] if log else ""
    words = (trouble.reason, trouble.message or trouble.last_end or trouble.event, said)
    return ": ".join(dict.fromkeys(word.strip() for word in words if word.strip()))


def _give_up_on_all(kube: Kube, watch: _Watch) -> None:
    """End at once when no pod can even be made: admission, a quota, a policy of the cluster."""
    fields = f"involvedObject.uid={watch.uid},reason=FailedCreate"
    try:
        events = list(kube.objects(EVENTS, watch.session.namespace, fields=fields, limit=50))
    except ClusterError:
        return
    if events:
        detail = dig(events[-1], "message", default="").strip()
        for node in sorted(watch.waiting):
            _end(watch, NodeRun(node=node, outcome="failed", reason="refused-pod", detail=detail))


def _late(watch: _Watch) -> list[NodeRun]:
    """How it stood with the nodes that did not answer in time."""
    by_node = {pod.node: pod for pod in watch.pods if pod.node}
    found = []
    for node in sorted(watch.waiting):
        pod = by_node.get(node)
        state = f"its pod is {pod.state}" if pod is not None else "its pod was not started"
        detail = f"no report after {watch.work.seconds:.0f} s: {state}"
        found.append(NodeRun(node=node, outcome="timed-out", reason="timed-out", detail=detail))
    return found
