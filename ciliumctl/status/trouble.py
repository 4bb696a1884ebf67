"""Why pods are not ready: their containers' states, their last end, the last event about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ciliumctl.clients.kube import EVENTS, PODS, Kube, Manifest, conditions_of, dig, name_of
from ciliumctl.errors import CiliumctlError
from ciliumctl.parallel import gather
from ciliumctl.status.facts import Pod, Workload

#: States that do not go away by waiting; a wait ends early when one lasts.
TERMINAL = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
        "Unschedulable",
        "FailedCreate",
    }
)
#: Pods of one component that are looked at closely; the others' states are in the table already.
CLOSE_LOOKS = 5
LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is the matter with one pod, or with a workload whose pods cannot be made (`pod` is empty)."""

    pod: str
    node: str
    reason: str
    message: str
    container: str = ""
    last_end: str = ""
    event: str = ""

    @property
    def terminal(self) -> bool:
        """Whether waiting will not mend it."""
        return self.reason in TERMINAL


def of_pods(kube: Kube, namespace: str, pods: Sequence[Pod]) -> list[Trouble]:
    """Look closely at pods. Two requests each, in parallel."""
    calls = [partial(_of_pod, kube, namespace, pod) for pod in pods[:CLOSE_LOOKS]]
    found = gather(calls)
    troubles = [
        result if isinstance(result, Trouble) else _from_table(pod) for pod, result in zip(pods, found, strict=False)
    ]
    return troubles + [_from_table(pod) for pod in pods[CLOSE_LOOKS:]]


def _from_table(pod: Pod) -> Trouble:
    return Trouble(pod=pod.name, node=pod.node, reason=pod.state.removeprefix("Init:"), message="")


def _of_pod(kube: Kube, namespace: str, pod: Pod) -> Trouble:
    manifest = kube.find(PODS, pod.name, namespace)
    if manifest is None:
        return _from_table(pod)
    return explain(manifest, last_event(kube, namespace, dig(manifest, "metadata", "uid", default="")))


def explain(pod: Manifest, event: str = "") -> Trouble:
    """What a pod's own status says is the matter with it."""
    reason, message, container = _waiting(pod)
    return Trouble(
        pod=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        reason=reason,
        message=_without_pod(message),
        container=container,
        last_end=_last_end(pod),
        event=_without_pod(event),
    )


def _statuses(pod: Manifest) -> list[Manifest]:
    found: list[Manifest] = []
    for kind in ("initContainerStatuses", "containerStatuses"):
        found += dig(pod, "status", kind, default=[])
    return found


def _without_pod(text: str) -> str:
    """A text without the pod's name and number in it: it stands beside them."""
    return re.sub(r" (?:in )?pod[= ]\S+\(\S+\)", "", text)


def _waiting(pod: Manifest) -> tuple[str, str, str]:
    """What the pod waits for or failed with: the reason, the words, the container when it is one's."""
    for status in _statuses(pod):
        waiting: Manifest = dig(status, "state", "waiting", default={})
        reason = dig(waiting, "reason", default="")
        if reason and reason not in {"PodInitializing", "ContainerCreating"}:
            return reason, dig(waiting, "message", default=""), dig(status, "name", default="")
        ended: Manifest = dig(status, "state", "terminated", default={})
        if dig(ended, "exitCode", default=0):
            return dig(ended, "reason", default="Error"), _end(status, ended), dig(status, "name", default="")
    scheduled: Manifest = conditions_of(pod).get("PodScheduled", {})
    if dig(scheduled, "status", default="") == "False":
        return dig(scheduled, "reason", default="Unschedulable"), dig(scheduled, "message", default=""), ""
    for status in _statuses(pod):
        reason = dig(status, "state", "waiting", "reason", default="")
        if reason:
            return reason, dig(status, "state", "waiting", "message", default=""), dig(status, "name", default="")
    if dig(pod, "metadata", "deletionTimestamp", default=""):
        return "Terminating", "", ""
    phase = dig(pod, "status", "phase", default="Unknown")
    if phase == "Running":
        unready: Manifest = conditions_of(pod).get("ContainersReady", {})
        return "NotReady", dig(unready, "message", default="the readiness probe does not pass yet"), ""
    return dig(pod, "status", "reason", default=phase), dig(pod, "status", "message", default=""), ""


def _last_end(pod: Manifest) -> str:
    for status in _statuses(pod):
        ended: Manifest = dig(status, "lastState", "terminated", default={})
        if ended:
            return _end(status, ended)
    return ""


def _end(status: Manifest, ended: Manifest) -> str:
    reason, code = dig(ended, "reason", default="Error"), dig(ended, "exitCode", default=0)
    message = dig(ended, "message", default="").strip()
    restarts = dig(status, "restartCount", default=0)
    text = f"container `{dig(status, 'name', default='')}` ended with {reason}, exit code {code}"
    text += f", {restarts} restarts" if restarts else ""
    return f"{text}: {message.splitlines()[-1]}" if message else text


def last_event(kube: Kube, namespace: str, uid: str) -> str:
    """The newest warning about an object, in one line; empty when there is none."""
    events = kube.objects(EVENTS, namespace, fields=f"involvedObject.uid={uid},type=Warning", limit=100)
    newest = max(events, key=_moment, default=None)
    if newest is None:
        return ""
    return f"{dig(newest, 'reason', default='')}: {dig(newest, 'message', default='').strip()}"


def _moment(event: Manifest) -> str:
    for key in ("lastTimestamp", "eventTime", "firstTimestamp"):
        moment = dig(event, key, default="")
        if moment:
            return moment
    return dig(event, "metadata", "creationTimestamp", default="")


def of_workload(kube: Kube, namespace: str, workload: Workload) -> Trouble | None:
    """Why a workload's pods cannot even be made: quotas, admission. One request."""
    try:
        events = kube.objects(
            EVENTS, namespace, fields=f"involvedObject.uid={workload.uid},reason=FailedCreate", limit=50
        )
    except CiliumctlError:
        # Not everybody may read events: the counts say that pods are missing.
        return None
    newest = max(events, key=_moment, default=None)
    if newest is None:
        return None
    return Trouble(pod="", node="", reason="FailedCreate", message=dig(newest, "message", default="").strip())


def last_log(kube: Kube, namespace: str, pod: str, container: str = "") -> str:
    """The end of a pod's log, of the run before when the container is down; empty when there is none to be had."""
    for previous in (False, True):
        try:
            text = kube.logs(namespace, pod, container=container, tail=LOG_LINES, previous=previous)
        except CiliumctlError:
            # A node that is gone does not answer at all: the report must not die of it.
            continue
        if text.strip():
            return text.rstrip()
    return ""
