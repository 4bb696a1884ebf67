"""What a migration breaks, for its time or for good, and the values that it cannot work with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ciliumctl.change.batches import natural
from ciliumctl.clients.kube import DAEMON_SETS, Kube, name_of
from ciliumctl.errors import NotFound
from ciliumctl.migration import old
from ciliumctl.migration.model import Finding, OldNetwork
from ciliumctl.migration.pods import OUTSIDE_HINT, Pod, runs_old
from ciliumctl.values import presets
from ciliumctl.values.paths import get, join, leaves

PRESET = "migration"
#: Values that would take the cluster over at once, or leave Cilium without a network of its own beside the other one.
_NEVER: tuple[tuple[tuple[str, ...], tuple[Any, ...], str], ...] = (
    (("kubeProxyReplacement",), (True, "true", "strict"), "kube-proxy is replaced on all nodes at once"),
    (("cni", "chainingMode"), ("aws-cni", "flannel", "generic-veth", "azure"), "Cilium would be chained, not beside"),
    (("eni", "enabled"), (True,), "addresses come from AWS, not from a pool of Cilium's own"),
    (("encryption", "enabled"), (True,), "only Cilium's own pods would be encrypted, and the other's are not reached"),
)


def is_beside(config: Mapping[str, Any]) -> bool:
    """Whether a release's values are those of a migration."""
    return get(config, ("cni", "customConf")) is True and get(config, ("policyEnforcementMode",)) == "never"


def of_values(own: Mapping[str, Any]) -> Iterator[Finding]:
    """The user's values that cannot work during a migration, and those that it replaces."""
    for path, bad, why in _NEVER:
        if get(own, path) in bad:
            yield Finding(
                severity="refused",
                text=f"`{join(path)}: {get(own, path)}` does not go with a migration: {why}",
                hint=f"leave it out; after `ciliumctl migrate finish`: `ciliumctl config set {join(path)}=…`",
            )
    never = {path for path, _bad, _why in _NEVER}
    replaced = [
        f"{join(path)}: {get(own, path)} → {value}"
        for path, value in leaves(presets.load(PRESET).values)
        if path not in never and get(own, path) not in {None, value}
    ]
    if replaced:
        yield Finding(
            severity="warning",
            text=f"the migration replaces values of yours: {'; '.join(replaced)}",
            hint="`ciliumctl config set` changes them after `ciliumctl migrate finish`",
        )


def warnings(kube: Kube, there: OldNetwork, pods: Sequence[Pod], *, policies: int) -> Iterator[Finding]:
    """What it breaks. One request, and one for each kind of policies that only the old CNI knows."""
    entry = old.entry_of(there.origin)
    if policies:
        yield Finding(
            severity="warning",
            text=f"{policies} NetworkPolicies are not enforced on moved nodes until `ciliumctl migrate finish`",
            hint="Cilium enforces none while pods of both networks talk to each other, and all of them afterwards",
        )
    for kind in entry.get("policies", ()):
        yield from _own_policies(kube, there, kind)
    ports = [f"{pod} ({', '.join(map(str, pod.host_ports))})" for pod in pods if pod.host_ports]
    if ports:
        yield Finding(
            severity="warning",
            text=f"{len(ports)} pods have host ports, which do not answer on moved nodes",
            hint="after the end, `ciliumctl config set cni.chainingMode=portmap` or kube-proxy replacement serves them",
            objects=tuple(ports[:8]),
        )
    for text in entry.get("warnings", ()):
        yield Finding(severity="warning", text=text)
    if not there.daemon_sets:
        yield Finding(
            severity="warning",
            text=f"no DaemonSet of {there.name} is there: it runs inside of another program",
            hint=entry["by_hand"],
        )
    if not there.proved:
        yield Finding(
            severity="warning",
            text=f"a migration from {there.name} with back-end {there.backend} was never tried on real nodes by "
            "ciliumctl's own tests",
            hint="try it on a copy of the cluster first",
        )
    if not _kube_proxy(kube):
        yield Finding(
            severity="warning",
            text="no kube-proxy is seen: should the old CNI serve the services, they break on moved nodes",
            hint="k3s and RKE2 have theirs inside of themselves; elsewhere find out who serves them first",
        )


def outside(there: OldNetwork, pods: Sequence[Pod]) -> Iterator[Finding]:
    """Nodes that take no part and run the old CNI, which keep it from being retired. `pods` are theirs."""
    named = sorted({pod.node for pod in pods if runs_old(pod, there)}, key=natural)
    if named:
        yield Finding(
            severity="warning",
            text=f"{len(named)} nodes take no part and run {there.name}, and `ciliumctl migrate finish` is refused",
            hint=OUTSIDE_HINT,
            objects=tuple(named),
        )


def _own_policies(kube: Kube, there: OldNetwork, kind: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        names = [name_of(item) for item in kube.objects(old.resource_of(kind), metadata_only=True)]
    except NotFound:
        return
    if names:
        yield Finding(
            severity="warning",
            text=f"{len(names)} {kind['plural']}.{kind['group']} are {there.name}'s own: Cilium does not know them",
            hint="write them anew as CiliumNetworkPolicies before `ciliumctl migrate finish`",
            objects=tuple(names[:8]),
        )


def _kube_proxy(kube: Kube) -> bool:
    return any("kube-proxy" in name_of(item) for item in kube.objects(DAEMON_SETS, "kube-system", metadata_only=True))
