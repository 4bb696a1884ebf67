"""The pods of the nodes: which must move, which are made anew in place, and what keeps them from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ciliumctl.clients.kube import PODS, Kube, Manifest, Resource, annotations_of, dig, labels_of, name_of, namespace_of
from ciliumctl.connectivity.selecting import matches
from ciliumctl.errors import NotFound
from ciliumctl.migration.model import OldNetwork

BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
#: Marks pods that a kubelet made of a file of its own: they cannot be moved.
_MIRROR = "kubernetes.io/config.mirror"
_ENDED = {"Succeeded", "Failed"}
#: What is to be done with nodes that take no part, before the old CNI goes.
OUTSIDE_HINT = (
    "`kubectl label node NODE cilium.io/no-schedule-` lets a Linux node take part, and `ciliumctl migrate node NODE` "
    "moves it; one that cannot run Cilium must leave the cluster first, with `kubectl drain` and `kubectl delete node`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What a migration must know of a pod. `controller` and `maker` are the kind and the name of what makes it anew.

    Both are empty for nothing.
    """

    namespace: str
    name: str
    uid: str
    node: str
    controller: str
    networked: bool
    mirror: bool
    ended: bool
    maker: str = ""
    addresses: tuple[str, ...] = ()
    empty_dirs: tuple[str, ...] = ()
    host_ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def stays(self) -> bool:
        """Whether it has nothing to do with the pod network, or is over."""
        return not self.networked or self.mirror or self.ended

    @property
    def in_place(self) -> bool:
        """Whether its DaemonSet makes it anew on the same node."""
        return not self.stays and self.controller == "DaemonSet"

    @property
    def moves(self) -> bool:
        """Whether it is evicted."""
        return not self.stays and self.controller != "DaemonSet"

    def within(self, ranges: Sequence[str]) -> bool:
        """Whether it has an address in one of the ranges."""
        return any(in_ranges(address, ranges) for address in self.addresses)


def in_ranges(address: str, ranges: Sequence[str]) -> bool:
    """Whether an address is in one of the ranges."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(one in ipaddress.ip_network(text) for text in ranges)


def read(kube: Kube, node: str = "") -> Iterator[Pod]:
    """The pods, of all nodes or of one. One request for 500 of them; only what is needed of each is kept."""
    fields = f"spec.nodeName={node}" if node else ""
    for item in kube.objects(PODS, fields=fields):
        yield _pod(item)


def _pod(item: Manifest) -> Pod:
    volumes: list[Manifest] = dig(item, "spec", "volumes", default=[])
    containers: list[Manifest] = dig(item, "spec", "containers", default=[])
    addresses: list[Manifest] = dig(item, "status", "podIPs", default=[])
    controller, maker = _controller(item)
    return Pod(
        namespace=namespace_of(item),
        name=name_of(item),
        uid=dig(item, "metadata", "uid", default=""),
        node=dig(item, "spec", "nodeName", default=""),
        controller=controller,
        maker=maker,
        networked=not dig(item, "spec", "hostNetwork", default=False),
        mirror=_MIRROR in annotations_of(item),
        ended=dig(item, "status", "phase", default="") in _ENDED,
        addresses=tuple(str(one.get("ip")) for one in addresses),
        empty_dirs=tuple(str(one.get("name")) for one in volumes if "emptyDir" in one),
        host_ports=tuple(
            dig(port, "hostPort", default=0)
            for container in containers
            for port in _ports(container)
            if dig(port, "hostPort", default=0)
        ),
        labels=labels_of(item),
    )


def _ports(container: Manifest) -> list[Manifest]:
    return dig(container, "ports", default=[])


def _controller(item: Manifest) -> tuple[str, str]:
    owners: list[Manifest] = dig(item, "metadata", "ownerReferences", default=[])
    return next(((str(one.get("kind")), str(one.get("name"))) for one in owners if one.get("controller")), ("", ""))


def runs_old(pod: Pod, there: OldNetwork) -> bool:
    """Whether a pod is one of the old CNI's own, or has an address of it: its node needs it."""
    own = pod.controller == "DaemonSet" and f"{pod.namespace}/{pod.maker}" in there.daemon_sets
    return not pod.ended and (own or (pod.networked and pod.within(there.ranges)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A PodDisruptionBudget that lets no pod go now."""

    namespace: str
    name: str
    selector: Manifest
    healthy: int
    needed: int

    def keeps(self, pod: Pod) -> bool:
        """Whether it is about this pod. An empty selector is about all of the namespace."""
        return pod.namespace == self.namespace and matches(self.selector, pod.labels)


def exhausted(kube: Kube) -> tuple[Budget, ...]:
    """The budgets that let no pod go. One request."""
    try:
        items = list(kube.objects(BUDGETS))
    except NotFound:
        return ()
    return tuple(
        Budget(
            namespace=namespace_of(item),
            name=name_of(item),
            selector=dig(item, "spec", "selector", default={}),
            healthy=dig(item, "status", "currentHealthy", default=0),
            needed=dig(item, "status", "desiredHealthy", default=0),
        )
        for item in items
        if dig(item, "status", "disruptionsAllowed", default=0) < 1
        and dig(item, "status", "expectedPods", default=0) > 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a drain may do, with kubectl's names: `--force`, `--delete-emptydir-data`, `--grace-period`.

    `seconds` is the longest time for the pods of one node.
    """

    force: bool = False
    delete_emptydir_data: bool = False
    grace: int | None = None
    seconds: float = 300.0


def blockers(pods: Sequence[Pod], budgets: Sequence[Budget], allowed: Allowed) -> tuple[str, ...]:
    """What keeps these pods from being moved, one line each. What a budget keeps may yet be let go."""
    return tuple(line for pod in pods if pod.moves for line in (*unasked(pod, allowed), *_kept(pod, budgets)))


def unasked(pod: Pod, allowed: Allowed) -> Iterator[str]:
    """What the user must say a word to before the pod is moved."""
    if not pod.controller and not allowed.force:
        yield f"pod {pod} would not come back: nothing makes it anew (`--force` deletes it)"
    if pod.empty_dirs and not allowed.delete_emptydir_data:
        named = ", ".join(pod.empty_dirs)
        yield f"pod {pod} would lose what is in its emptyDir {named} (`--delete-emptydir-data` lets it)"


def _kept(pod: Pod, budgets: Sequence[Budget]) -> Iterator[str]:
    for one in budgets:
        if one.keeps(pod):
            yield (
                f"pod {pod} is kept by PodDisruptionBudget {one.namespace}/{one.name}: "
                f"{one.healthy} healthy, {one.needed} needed"
            )
