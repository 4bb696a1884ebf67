"""A stand-in for a policy enforcer: policies become nftables rules in every node's network namespace.

It runs on the machine, not in the cluster, and can be stopped, frozen, and made to deny everything.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from ciliumctl.clients.kube import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_POLICIES,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    Kube,
    Resource,
)
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.parallel import gather_all
from ciliumctl.wait import Deadline
from tests.cluster import policy_filter
from tests.cluster.cluster import Cluster
from tests.cluster.policy_state import State, from_objects

KINDS: Mapping[str, Resource] = {
    "Pod": PODS,
    "Namespace": NAMESPACES,
    "Node": NODES,
    "EndpointSlice": ENDPOINT_SLICES,
    "NetworkPolicy": NETWORK_POLICIES,
    "CiliumNetworkPolicy": CILIUM_POLICIES,
    "CiliumClusterwideNetworkPolicy": CILIUM_CLUSTERWIDE_POLICIES,
}
SECONDS_BETWEEN_LOOKS = 0.25


class Enforcer:
    """Follows a cluster's policies in a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kube = cluster.kube
        self._written: dict[str, str] = {}
        self._denying = False
        self._ending = threading.Event()
        self._looked = threading.Condition()
        self._looks = 0
        self._thread = threading.Thread(target=self._follow, name="enforcer", daemon=True)
        #: What policies ask for that no packet filter can do; those rules are not in force.
        self.unsupported: tuple[str, ...] = ()

    @classmethod
    def start(cls, cluster: Cluster) -> Enforcer:
        """Begin to enforce; returns when the policies that there are now are in force."""
        enforcer = cls(cluster)
        enforcer._thread.start()
        enforcer.settle()
        return enforcer

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until everything that is in the cluster now is in force; returns whether it is."""
        with self._looked:
            # The look that is going on may have begun too early.
            wanted = self._looks + 2
            return self._looked.wait_for(lambda: self._looks >= wanted, timeout=seconds)

    def deny_all(self) -> None:
        """A fault: drop every new connection of every pod, whatever the policies say."""
        self._denying = True
        self.settle()

    def enforce(self) -> None:
        """End those faults: do as the policies say."""
        self._denying = False
        if not self._thread.is_alive():
            self._ending.clear()
            self._thread = threading.Thread(target=self._follow, name="enforcer", daemon=True)
            self._thread.start()
        self.settle()

    def freeze(self) -> None:
        """A fault: follow the policies no longer; the rules stay as they are."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def stop(self) -> None:
        """End, and take every rule away."""
        self.freeze()
        for node in self._cluster.nodes:
            self._write(node, policy_filter.NOTHING)

    def _follow(self) -> None:
        while not self._ending.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self._look()
            except CiliumctlError as error:
                # The API server may be away for a while; the rules stay, as Cilium's do.
                say(f"the policies cannot be read: {error.message}")
            with self._looked:
                self._looks += 1
                self._looked.notify_all()

    def _look(self) -> None:
        state = read(self._kube)
        having = policy_filter.policies(state)
        unsupported = tuple(line for policy in having for line in policy.unsupported)
        for line in unsupported:
            if line not in self.unsupported:
                say(f"not enforced: {line}")
        self.unsupported = unsupported
        for node in self._cluster.nodes:
            wanted = policy_filter.DENY_ALL if self._denying else policy_filter.rules(state, node, having)
            if self._written.get(node) != wanted:
                self._write(node, wanted)

    def _write(self, node: str, script: str) -> None:
        try:
            self._cluster.inside(node, "nft", "-f", "-", stdin=script)
        except RuntimeError as error:
            # A node that is gone enforces nothing.
            self._written.pop(node, None)
            say(f"{node}: {error}")
        else:
            self._written[node] = script


def say(text: str) -> None:
    """One line for whoever reads the run's output."""
    sys.stderr.write(f"stand-in policy enforcer: {text}\n")


def read(kube: Kube) -> State:
    """What the cluster has now."""
    kube.deadline = Deadline.after(5.0)
    lists = gather_all([partial(_objects, kube, kind, resource) for kind, resource in KINDS.items()])
    return from_objects(one for found in lists for one in found)


def _objects(kube: Kube, kind: str, resource: Resource) -> list[dict[str, Any]]:
    try:
        # The watch cache is fresh to some milliseconds, and its lists cost the server next to nothing.
        answer = json.loads(kube.raw(f"{resource.path()}?resourceVersion=0"))
    except NotFound:
        return []
    # The items of a list do not say their kind.
    return [{**one, "kind": kind} for one in answer.get("items") or ()]
