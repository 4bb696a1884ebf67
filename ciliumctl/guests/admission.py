"""Whether a namespace lets a guest in: PodSecurity's levels, and whatever else its cluster asks on admission.

Which profile is at which level: https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ciliumctl.clients.kube import NAMESPACES, PODS, Kube, Manifest, labels_of
from ciliumctl.errors import ClusterError, Conflict, Forbidden, Invalid, NotFound
from ciliumctl.guests import objects
from ciliumctl.guests.model import How, Kind, Profile

_LEVELS = ("privileged", "baseline", "restricted")
_LABEL = "pod-security.kubernetes.io/"
#: The words by which the admission of Kubernetes says that PodSecurity refused.
_REFUSED = "violates PodSecurity"
#: Its words for a pod that has its node's network, or processes.
_HOST = "host namespaces"
_FIELDS = re.compile(r" \((?:[^()]|\([^()]*\))*\)")
_STRICTEST: dict[Profile, str] = {
    "netadmin": "privileged",
    "general": "privileged",
    "sysadmin": "privileged",
    "baseline": "baseline",
    "restricted": "restricted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a namespace would say to a guest. `level` is what it enforces, empty where that cannot be read.

    `refusal` is empty when it would be let in; `pod_security` says that PodSecurity refuses, and nothing else.
    `detail` is the server's own words, `warnings` are what it would say beside that.
    """

    namespace: str
    level: str
    refusal: str = ""
    detail: str = ""
    pod_security: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it would be let in."""
        return not self.refusal


def admission(
    kube: Kube,
    namespace: str,
    how: How,
    *,
    kind: Kind = "pod",
    pod: str = "",
    node: str = "",
    host_network: bool = False,
) -> Admission:
    """Ask a namespace whether it would let a guest in; nothing is made. Two or three requests.

    The levels of PodSecurity come from its labels, and the very object is sent for a dry run, which every webhook
    sees. A guest beside others needs the name of its `pod`; `host_network` is of a pod of its own, as `node` is.

    Raises:
        ClusterError: it cannot be asked, for another reason than that it refuses.
    """
    place = _namespace(kube, namespace)
    level, warnings = _levels(place, how, kind, host_network=host_network)
    try:
        if kind == "ephemeral":
            _rehearse_beside(kube, namespace, how, pod)
        else:
            _rehearse(kube, namespace, how, kind, node, host_network=host_network)
    except (Forbidden, Invalid) as error:
        return _refusal(error, namespace, level, warnings)
    except Conflict:
        # The pod changed meanwhile: it was let in.
        pass
    return Admission(namespace=namespace, level=level, warnings=warnings)


def _namespace(kube: Kube, name: str) -> Manifest:
    try:
        return kube.get(NAMESPACES, name)
    except Forbidden:
        # Few may read namespaces; the dry run says what is enforced.
        return {}
    except NotFound:
        raise NotFound(f"there is no namespace `{name}`", hint="`kubectl get namespaces` lists them") from None


def _levels(namespace: Manifest, how: How, kind: Kind, *, host_network: bool) -> tuple[str, tuple[str, ...]]:
    """What is enforced, and what the modes that do not enforce have to say."""
    labels = labels_of(namespace)
    shares = kind == "node" or host_network
    needs = _LEVELS.index("privileged" if shares else _STRICTEST[how.profile])
    found = []
    for mode, what in (("warn", "warns of"), ("audit", "records")):
        level = labels.get(f"{_LABEL}{mode}", "")
        if level in _LEVELS and _LEVELS.index(level) > needs:
            what_for = "a pod of a node" if kind == "node" else _what(how, host_network=host_network)
            found.append(f"PodSecurity `{level}` of the namespace {what} {what_for}")
    return labels.get(f"{_LABEL}enforce", ""), tuple(found)


def _what(how: How, *, host_network: bool) -> str:
    return "a pod with its node's network" if host_network else f"profile `{how.profile}`"


def _rehearse_beside(kube: Kube, namespace: str, how: How, pod: str) -> None:
    there = kube.get(PODS, pod, namespace)
    container = objects.ephemeral(there, how.new_name(), how, how.expires(), how.owned_by(kube.user))
    patch = {"spec": {"ephemeralContainers": [container]}}
    kube.patch(PODS, pod, patch, namespace, subresource="ephemeralcontainers", strategic=True, dry_run=True)


def _rehearse(kube: Kube, namespace: str, how: How, kind: Kind, node: str, *, host_network: bool) -> None:
    name, expires, owner = how.new_name(), how.expires(), how.owned_by(kube.user)
    if kind == "node":
        manifest = objects.node_pod(name, node, how, expires, owner)
    else:
        manifest = objects.pod(name, how, expires, owner, node=node, host_network=host_network)
    kube.create(PODS, manifest, namespace, dry_run=True)


def _refusal(error: Forbidden | Invalid, namespace: str, level: str = "", warnings: tuple[str, ...] = ()) -> Admission:
    found = error.detail.find(_REFUSED)
    return Admission(
        namespace=namespace,
        level=level,
        # What is wrong without the fields of each container, which are the profile's: `-v` shows them.
        refusal=_FIELDS.sub("", error.detail[found:]).strip() if found >= 0 else error.message,
        detail=error.detail,
        pod_security=found >= 0,
        warnings=warnings,
    )


def explained(error: Forbidden | Invalid, namespace: str, how: How, kind: Kind) -> ClusterError:
    """The error of a guest that was not let in, with what to do about it; one of another cause as it is."""
    answer = _refusal(error, namespace)
    return refused(answer, how, kind) if answer.pod_security else error


def refused(answer: Admission, how: How, kind: Kind, node: str = "") -> Forbidden:
    """The error of a guest that is not let in, with what would be. `node` is the one of the pod to look at."""
    shares = _HOST in answer.refusal
    what = "a pod with a node's network and files" if kind == "node" else _what(how, host_network=shares)
    if not answer.pod_security:
        return Forbidden(
            f"namespace `{answer.namespace}` does not let {what} in: {answer.refusal}",
            hint="ask whoever administers the cluster, or look from elsewhere: "
            "`ciliumctl debug shell new -n NAMESPACE`, `ciliumctl debug shell node/NAME`",
            detail=answer.detail,
        )
    return Forbidden(
        f"PodSecurity of namespace `{answer.namespace}` does not let {what} in: {answer.refusal}",
        hint=_ways(answer, how, kind, node),
        detail=answer.detail,
    )


def _ways(answer: Admission, how: How, kind: Kind, node: str) -> str:
    """What PodSecurity would let in, and what can be seen from elsewhere."""
    if kind == "node":
        return "it needs a namespace whose PodSecurity enforces nothing, or `privileged`: `-n NAME`"
    if _HOST in answer.refusal:
        if kind == "pod":
            return "leave `--host-network` out, or use a namespace whose PodSecurity enforces nothing, or `privileged`"
        # The pod itself has it: no profile changes that.
        return f"use from the pod's node `ciliumctl debug shell node/{node or 'NAME'}`"
    lets = _LEVELS.index(answer.level) if answer.level in _LEVELS else len(_LEVELS) - 1
    fitting = [name for name, level in _STRICTEST.items() if _LEVELS.index(level) >= lets and name != how.profile]
    ways = [f"`--profile {fitting[0]}`, which has no capabilities (no tcpdump, no ping),"] if fitting else []
    if kind == "ephemeral":
        ways.append(f"from the pod's node `ciliumctl debug shell node/{node or 'NAME'}`")
    else:
        ways.append("another namespace (`-n NAME`)")
    return f"use {' or '.join(ways)}"
