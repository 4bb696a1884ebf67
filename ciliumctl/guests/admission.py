"""Whether a namespace lets a guest in: PodSecurity's levels, and whatever else its cluster asks on admission.

Which profile is at which level: https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

from dataclasses import dataclass

from ciliumctl.clients.kube import NAMESPACES, PODS, Kube, Manifest, labels_of
from ciliumctl.errors import ClusterError, Conflict, Forbidden, Invalid, NotFound
from ciliumctl.guests import objects
from ciliumctl.guests.model import NOBODY, How, Kind, Profile

_LEVELS = ("privileged", "baseline", "restricted")
_LABEL = "pod-security.kubernetes.io/"
#: The words by which the admission of Kubernetes says that PodSecurity refused.
_REFUSED = "violates PodSecurity"
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

    `refusal` is empty when it would be let in; `warnings` are what it would say beside that.
    """

    namespace: str
    level: str
    refusal: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it would be let in."""
        return not self.refusal


def admission(kube: Kube, namespace: str, how: How, *, kind: Kind = "pod", pod: str = "", node: str = "") -> Admission:
    """Ask a namespace whether it would let a guest in; nothing is made. Two or three requests.

    The levels of PodSecurity come from its labels, and the very object is sent for a dry run, which every webhook
    sees. A guest beside others needs the name of its `pod`.

    Raises:
        ClusterError: it cannot be asked, for another reason than that it refuses.
    """
    place = _namespace(kube, namespace)
    level, warnings = _levels(place, how, kind)
    try:
        _rehearse(kube, namespace, how, kind, pod, node)
    except (Forbidden, Invalid) as error:
        return Admission(namespace=namespace, level=level, refusal=_words(error), warnings=warnings)
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


def _levels(namespace: Manifest, how: How, kind: Kind) -> tuple[str, tuple[str, ...]]:
    """What is enforced, and what the modes that do not enforce have to say."""
    labels = labels_of(namespace)
    needs = _LEVELS.index("privileged" if kind == "node" else _STRICTEST[how.profile])
    found = []
    for mode, what in (("warn", "warns of"), ("audit", "records")):
        level = labels.get(f"{_LABEL}{mode}", "")
        if level in _LEVELS and _LEVELS.index(level) > needs:
            what_for = "a pod of a node" if kind == "node" else f"profile `{how.profile}`"
            found.append(f"PodSecurity `{level}` of the namespace {what} {what_for}")
    return labels.get(f"{_LABEL}enforce", ""), tuple(found)


def _rehearse(kube: Kube, namespace: str, how: How, kind: Kind, pod: str, node: str) -> None:
    name, expires, owner = how.new_name(), how.expires(), how.owner or NOBODY
    if kind == "ephemeral":
        container = objects.ephemeral(kube.get(PODS, pod, namespace), name, how, expires, owner)
        kube.patch(
            PODS,
            pod,
            {"spec": {"ephemeralContainers": [container]}},
            namespace,
            subresource="ephemeralcontainers",
            strategic=True,
            dry_run=True,
        )
        return
    if kind == "node":
        manifest = objects.node_pod(name, node, how, expires, owner)
    else:
        manifest = objects.pod(name, how, expires, owner, node=node)
    kube.create(PODS, manifest, namespace, dry_run=True)


def _words(error: ClusterError) -> str:
    found = error.detail.find(_REFUSED)
    return error.detail[found:].strip() if found >= 0 else error.detail.strip() or error.message


def explained(error: Forbidden | Invalid, namespace: str, how: How, kind: Kind) -> ClusterError:
    """The error of a guest that was not let in, with what to do about it; another one as it is."""
    if _REFUSED not in error.detail:
        return error
    where = " in another namespace: `-n NAME`" if kind == "pod" else ""
    hint = {
        "ephemeral": "`--profile restricted` may be let in (without capabilities: no tcpdump); "
        "`ciliumctl debug shell node/NAME` looks at the pod's node from a namespace that lets more in",
        "pod": f"`--profile restricted` may be let in (without capabilities), or every profile{where}",
        "node": "a pod of a node needs a namespace that enforces nothing or `privileged`: `-n NAME`",
    }[kind]
    what = "a pod with a node's network and files" if kind == "node" else f"profile `{how.profile}`"
    return Forbidden(
        f"PodSecurity of namespace `{namespace}` does not let {what} in: {_words(error)}",
        hint=hint,
        detail=error.detail,
    )
