"""Cilium's own preflight release: it pulls the new images onto every node and validates the policies, before a change.

The chart makes it of its DaemonSet and its Deployment `cilium-pre-flight-check`
(https://docs.cilium.io/en/stable/operations/upgrade/#running-pre-flight-check-required). It is always removed again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl import release
from ciliumctl.change.target import Target
from ciliumctl.clients.helm import Helm, Inputs
from ciliumctl.clients.kube import DAEMON_SETS, DEPLOYMENTS, PODS, Kube, Resource, dig
from ciliumctl.errors import ApiFailed, CiliumctlError, ImagesMissing, ReleaseNotFound, TimedOut, Unreachable
from ciliumctl.report import Reporter, Step
from ciliumctl.status import GRACE
from ciliumctl.status.collect import pods_of
from ciliumctl.status.facts import Pod
from ciliumctl.status.trouble import LOG_LINES, of_pods
from ciliumctl.values.paths import get, merge, put
from ciliumctl.wait import Deadline, overtime, poll

RELEASE = "cilium-preflight"
NAME = "cilium-pre-flight-check"
_ON_NODES = "k8s-app=cilium-pre-flight-check"
_VALIDATOR = "k8s-app=cilium-pre-flight-check-deployment"
# What the release's own values say about pulling images and reaching the API server; everything else stays out, or the
# chart would render the rest of Cilium a second time.
_KEPT = (
    ("image",),
    ("imagePullSecrets",),
    ("preflight",),
    ("serviceAccounts", "preflight"),
    ("k8sServiceHost",),
    ("k8sServicePort",),
    ("k8sServiceHostRef",),
    ("kubeProxyReplacement",),
    ("l7Proxy",),
    ("envoy", "enabled"),
    ("envoy", "image"),
    ("upgradeCompatibility",),
    ("commonLabels",),
    ("rbac",),
)
_ON: Mapping[str, Any] = {"preflight": {"enabled": True}, "agent": False, "operator": {"enabled": False}}
_INTERVAL = 1.0
_NAMED = 3
#: Seconds for taking it away again, when the time was up or somebody interrupted.
_TIDYING = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What it is done with."""

    helm: Helm
    namespace: str
    storage: Resource
    deadline: Deadline
    report: Reporter


def values_for(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the preflight release, out of those that Cilium is to have."""
    values: dict[str, Any] = {}
    for path in _KEPT:
        found = get(config, path)
        if found is not None:
            put(values, path, found)
    for image in ("image", "envoy.image"):
        # Images of a mirror are named once in people's values: the preflight has its own copy of the name.
        found = get(config, tuple(image.split(".")))
        if isinstance(found, Mapping):
            prefix = ("preflight", *image.split("."))
            put(values, prefix, merge(found, get(values, prefix, {}) or {}))
    return merge(values, _ON)


def pull(kube: Kube, target: Target, work: Work) -> None:
    """Have the target's images on every node and its policies validated, and leave nothing behind.

    Raises:
        ImagesMissing: an image cannot be pulled, or a policy is not valid for the new version.
        TimedOut: it took too long.
    """
    _sweep(kube, work)
    try:
        with work.report.step(f"Pulling the images of {target.chart.version} onto every node") as step:
            work.helm.install(
                RELEASE,
                str(target.chart.path),
                Inputs(generated=values_for(target.config)),
                namespace=work.namespace,
                description=f"ciliumctl preflight of {target.chart.version}",
            )
            _wait(kube, work, step)
    finally:
        _remove(kube, work)


def _sweep(kube: Kube, work: Work) -> None:
    """Take away what a run left that was killed."""
    if release.revisions(kube, RELEASE, work.namespace, work.storage):
        _remove(kube, work)


def _remove(kube: Kube, work: Work) -> None:
    with overtime(kube, work.helm, seconds=_TIDYING), work.report.step("Removing the preflight release") as step:
        try:
            work.helm.uninstall(RELEASE, namespace=work.namespace)
        except ReleaseNotFound:
            step.finish("it was not there")
        except CiliumctlError as error:
            step.finish(error.message, outcome="failed")
            work.report.warn(
                "the preflight release is still there", f"`helm uninstall {RELEASE} -n {work.namespace}` removes it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at the preflight's pods. `wanted` is -1 while the controllers have not said how many there are to be."""

    wanted: int
    on_nodes: tuple[Pod, ...]
    validators: tuple[Pod, ...]

    @property
    def pulled(self) -> int:
        return sum(pod.ready for pod in self.on_nodes)

    @property
    def validated(self) -> bool:
        return all(pod.ready for pod in self.validators)

    @property
    def done(self) -> bool:
        return 0 <= self.wanted <= self.pulled and self.validated

    @property
    def unready(self) -> list[Pod]:
        return [pod for pod in (*self.on_nodes, *self.validators) if not pod.ready]


def _wait(kube: Kube, work: Work, step: Step) -> None:
    since: float | None = None

    def look() -> _Look | None:
        try:
            return _look(kube, work.namespace)
        except TimedOut:
            return None
        except (Unreachable, ApiFailed) as error:
            step(f"the API server does not answer: {error.message}")
            return None

    def done(found: _Look | None) -> bool:
        nonlocal since
        if found is None:
            return False
        said = "valid" if found.validated else "being validated"
        step(f"{found.pulled} of {max(0, found.wanted)} nodes have them, policies are {said}")
        troubles = of_pods(kube, work.namespace, found.unready)
        bad = any(trouble.terminal for trouble in troubles)
        since = (since if since is not None else time.monotonic()) if bad else None
        return found.done or (since is not None and time.monotonic() - since >= GRACE)

    found = poll(look, done, deadline=work.deadline, interval=_INTERVAL)
    if found is None or not found.done:
        with overtime(kube, seconds=_TIDYING):
            raise _failure(kube, work.namespace, found)


def _look(kube: Kube, namespace: str) -> _Look:
    daemon_set, deployment = kube.find(DAEMON_SETS, NAME, namespace), kube.find(DEPLOYMENTS, NAME, namespace)
    there = [item for item in (daemon_set, deployment) if item is not None]
    acted = all(dig(item, "status", "observedGeneration", default=0) for item in there)
    wanted = dig(daemon_set, "status", "desiredNumberScheduled", default=-1) if acted else -1
    return _Look(
        wanted=wanted,
        on_nodes=tuple(pods_of(kube.table(PODS, namespace, labels=_ON_NODES))),
        validators=tuple(pods_of(kube.table(PODS, namespace, labels=_VALIDATOR))),
    )


def _failure(kube: Kube, namespace: str, found: _Look | None) -> ImagesMissing | TimedOut:
    unready = found.unready if found is not None else []
    troubles = of_pods(kube, namespace, unready)
    worst = next((trouble for trouble in troubles if trouble.terminal), None)
    failing = next((pod for pod in found.validators if not pod.ready), None) if found is not None else None
    log = _log(kube, namespace, failing.name) if failing is not None else ""
    if worst is not None:
        what = f"{worst.reason} on {worst.node or worst.pod}" + (f": {worst.message}" if worst.message else "")
        return ImagesMissing(
            f"the new version does not start everywhere: {what}",
            hint="nothing was changed; mend it, or upgrade without `--pull-images-first`",
            detail=log,
        )
    named = ", ".join(pod.node or pod.name for pod in unready[:_NAMED]) + (" …" if len(unready) > _NAMED else "")
    return TimedOut(
        f"the new images are not everywhere in time: {named or 'no controller has acted yet'}",
        hint="nothing was changed; raise `--timeout` when the registry is only slow",
        detail=log,
    )


def _log(kube: Kube, namespace: str, pod: str) -> str:
    try:
        return kube.logs(namespace, pod, tail=LOG_LINES)
    except CiliumctlError as error:
        return error.message
