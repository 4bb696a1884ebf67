"""From the words of a command line to pods and nodes: `pod/[NS/]NAME`, `deploy/…`, `svc/…`, `node/NAME`, a selector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ciliumctl import naming
from ciliumctl.capture.model import MOST_TARGETS, Target
from ciliumctl.clients.kube import PODS, Kube, Manifest, addresses_of, dig, name_of, namespace_of
from ciliumctl.errors import UsageError
from ciliumctl.naming import Named
from ciliumctl.parallel import gather_all


def resolve(kube: Kube, words: Sequence[str], *, selector: str, namespace: str) -> tuple[Target, ...]:
    """The pods and nodes that are meant, each once, in the order of the words. One request a word, two for an owner.

    Raises:
        UsageError: a word is no target, nothing runs there, or there are more than can be looked at.
        NotFound: there is no such thing.
    """
    found = gather_all([partial(_resolved, kube, _named(word, namespace)) for word in words], limit=8)
    if selector:
        found.append(_running(kube, namespace, selector, f"`-l {selector}`"))
    targets = {target.key: target for some in found for target in some}
    if not targets:
        raise UsageError("nothing is named that could be captured", hint=f"name a target: {naming.FORMS}")
    if len(targets) > MOST_TARGETS:
        raise UsageError(
            f"these are {len(targets)} targets; {MOST_TARGETS} are the most", hint="name fewer, or narrow `-l`"
        )
    return tuple(targets.values())


def _named(word: str, namespace: str) -> Named:
    named = naming.read(word, namespace)
    if named is None:
        raise UsageError(f"`{word}` is no target", hint=f"write {naming.FORMS}")
    return named


def _resolved(kube: Kube, named: Named) -> list[Target]:
    match named.kind:
        case "node":
            return [_node(naming.find(kube, named))]
        case "pod":
            pod = naming.find(kube, named)
            phase = dig(pod, "status", "phase", default="not known")
            if phase != "Running":
                raise UsageError(
                    f"pod `{named.namespace}/{named.name}` does not run (it is {phase})", hint="name one that runs"
                )
            return [_pod(pod)]
        case _:
            return _running(kube, named.namespace, naming.labels_of_pods(kube, named), f"`{named}`")


def _running(kube: Kube, namespace: str, labels: str, what: str) -> list[Target]:
    pods = kube.objects(PODS, namespace, labels=labels, fields="status.phase=Running")
    found = [_pod(pod) for pod in pods if not dig(pod, "metadata", "deletionTimestamp", default="")]
    if not found:
        raise UsageError(f"no pod of {what} runs in namespace `{namespace}`", hint="`-n` names another namespace")
    return found


def _node(node: Manifest) -> Target:
    name, addresses = name_of(node), tuple(addresses_of(node))
    return Target(kind="node", name=name, node=name, addresses=addresses, host_network=True)


def _pod(pod: Manifest) -> Target:
    listed: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    states: list[Manifest] = dig(pod, "status", "containerStatuses", default=[])
    containers: list[Manifest] = dig(pod, "spec", "containers", default=[])
    ids = (str(one.get("containerID") or "").partition("://")[2] for one in states)
    return Target(
        kind="pod",
        namespace=namespace_of(pod),
        name=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        addresses=tuple(str(one.get("ip")) for one in listed if one.get("ip")),
        containers=tuple(one for one in ids if one),
        host_network=dig(pod, "spec", "hostNetwork", default=False),
        limited=any(dig(one, "resources", "limits", "ephemeral-storage", default="") for one in containers),
    )
