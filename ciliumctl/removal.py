"""Uninstall Cilium: say what goes and what stays, then remove it step by step, whatever a single step does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from ciliumctl import flavour, lock, owners, permissions, release
from ciliumctl.clients.helm import Helm, Release
from ciliumctl.clients.kube import (
    CONFIG_MAPS,
    CRDS,
    DAEMON_SETS,
    NAMESPACES,
    PODS,
    Kube,
    Manifest,
    Resource,
    dig,
    name_of,
)
from ciliumctl.errors import CiliumctlError, Invalid, NotFound, Partial, TimedOut
from ciliumctl.parallel import gather, together
from ciliumctl.report import Reporter
from ciliumctl.status.collect import PART_OF, nodes_of, pods_of
from ciliumctl.wait import Deadline, poll

_GROUP = "cilium.io"
_POLICIES = ("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies")
RESIDUE = (
    "CNI configuration `/etc/cni/net.d/05-cilium.conflist` and the binary `cilium-cni`",
    "other CNIs' configurations renamed to `*.cilium_bak`",
    "BPF maps and programs, the links `cilium_*` and `lxc*`, iptables chains `CILIUM_*`, routes and rules",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an uninstallation removes, keeps and breaks."""

    kind: ClassVar[str] = "RemovalPreview"

    context: str
    namespace: str
    release: str
    version: str
    #: How the release stands, when an operation on it is at work or was killed; else empty.
    pending: str
    removes: Mapping[str, int]
    namespaces: tuple[str, ...]
    crds: tuple[str, ...]
    objects: Mapping[str, int]
    changes: tuple[str, ...]
    residue: tuple[str, ...]
    networked_pods: int
    without_kube_proxy: bool

    @property
    def ok(self) -> bool:
        """Always: it is only a look ahead."""
        return True

    @property
    def policies(self) -> int:
        """How many of the users' Cilium policies there are."""
        return sum(count for name, count in self.objects.items() if name.split(".")[0] in _POLICIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an uninstallation and how it went."""

    title: str
    outcome: Literal["done", "failed", "skipped"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was done. `ok` when every step was."""

    kind: ClassVar[str] = "Removal"

    context: str
    namespace: str
    release: str
    steps: tuple[Step, ...]
    kept: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(step.outcome != "failed" for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to remove besides the release."""

    namespace: str
    release: str
    purge_crds: bool = False
    delete_namespace: bool = False


def find(kube: Kube, wanted: Wanted, storage: Resource) -> Release | None:
    """The release to remove; `None` when there is no Cilium at all.

    Raises:
        ForeignOwner: there is one, and something else manages it.
    """
    found, owner = together(
        partial(release.current, kube, wanted.release, wanted.namespace, storage),
        partial(owners.of_cilium, kube, namespace=wanted.namespace, release_name=wanted.release),
    )
    if owner is not None:
        raise owners.foreign(owner, "uninstall")
    return found


def leftovers(kube: Kube, wanted: Wanted) -> bool:
    """Whether an uninstallation that stopped half-way, or kept what is asked for now, has left work to do."""
    return (
        bool(flavour.applied_changes(kube))
        or (wanted.purge_crds and bool(_crd_names(kube)))
        or (wanted.delete_namespace and kube.find(NAMESPACES, wanted.namespace) is not None)
    )


def nothing(kube: Kube, wanted: Wanted) -> Removed:
    """The result where there is no Cilium."""
    return Removed(context=kube.context, namespace=wanted.namespace, release=wanted.release, steps=(), kept=())


def preview(kube: Kube, found: Release | None, wanted: Wanted) -> Preview:
    """Look at what would go, without a release the leftovers. A handful of requests, in parallel."""
    objects = permissions.documents(found.manifest) if found is not None else []
    counted, changes, networked, without_proxy = together(
        partial(_crds, kube),
        lambda: tuple(change.info.title for change in flavour.applied_changes(kube)),
        partial(_networked, kube),
        partial(_without_kube_proxy, kube, wanted.namespace),
    )
    return Preview(
        context=kube.context,
        namespace=wanted.namespace,
        release=found.name if found is not None else "",
        version=found.chart_version if found is not None else "",
        pending=found.status if found is not None and found.pending else "",
        removes=dict(Counter(str(item.get("kind")) for item in objects)),
        namespaces=_namespaces(objects),
        crds=tuple(sorted(counted)),
        objects={name: count for name, count in counted.items() if count},
        changes=changes,
        residue=RESIDUE,
        networked_pods=networked,
        without_kube_proxy=without_proxy,
    )


def _crds(kube: Kube) -> dict[str, int]:
    """Cilium's CRDs, with the number of objects of each."""
    found = [item for item in kube.objects(CRDS) if dig(item, "spec", "group", default="") == _GROUP]
    resources = []
    for item in found:
        versions: list[Manifest] = dig(item, "spec", "versions", default=[])
        stored = [dig(entry, "name", default="") for entry in versions if dig(entry, "storage", default=False)]
        version = stored[0] if stored else "v2"
        plural = dig(item, "spec", "names", "plural", default="")
        resources.append(Resource(_GROUP, version, plural))
    counts = gather([partial(_count, kube, resource) for resource in resources])
    return {name_of(item): count if isinstance(count, int) else 0 for item, count in zip(found, counts, strict=True)}


def _count(kube: Kube, resource: Resource) -> int:
    return len(kube.table(resource).rows)


def _networked(kube: Kube) -> int:
    """Running pods in the pod network, without those that go with the release."""
    others, running = PART_OF.replace("=", "!="), "status.phase=Running"
    try:
        return len(kube.table(PODS, labels=others, fields=f"{running},spec.hostNetwork=false").rows)
    except Invalid:
        # Before Kubernetes 1.28 hostNetwork cannot be selected by: such pods have their node's address.
        hosts = {node.address for node in nodes_of(kube)}
        return sum(pod.address not in hosts for pod in pods_of(kube.table(PODS, labels=others, fields=running)))


def _without_kube_proxy(kube: Kube, namespace: str) -> bool:
    config = kube.find(CONFIG_MAPS, "cilium-config", namespace)
    replaced = dig(config, "data", "kube-proxy-replacement", default="") in {"true", "strict"}
    if not replaced:
        return False
    names = [name_of(item) for item in kube.objects(DAEMON_SETS, "kube-system", metadata_only=True)]
    return not any("kube-proxy" in name for name in names)


def remove(
    kube: Kube,
    helm: Helm,
    found: Release | None,
    wanted: Wanted,
    *,
    holder: lock.Holder,
    deadline: Deadline,
    report: Reporter,
) -> Removed:
    """Remove the release and what was asked for besides. A failed step is kept in the result; the rest goes on."""
    steps: list[Step] = []

    def do(title: str, work: Callable[[], str]) -> None:
        try:
            with report.step(title) as step:
                detail = work()
                step.finish(detail)
            steps.append(Step(title=title, outcome="done", detail=detail))
        except NotFound:
            steps.append(Step(title=title, outcome="skipped", detail="not there"))
        except CiliumctlError as error:
            report.warn(f"{title}: {error.message}", error.hint)
            steps.append(Step(title=title, outcome="failed", detail=error.message))

    kept = _kept(wanted, crds=bool(_crd_names(kube)))
    report.resume = "`ciliumctl uninstall` goes on where it stopped"
    with lock.held(kube, holder, report):
        if found is not None:
            do("Removing the Helm release", lambda: _uninstall(helm, found))
        do("Waiting until the pods are gone", lambda: _wait_gone(kube, found, wanted.namespace, deadline))
        changes: list[flavour.ClusterChange] = []
        do("Looking for changes outside the release", lambda: _look_for(changes, kube))
        for change in changes:
            do(f"Undoing: {change.info.title}", partial(_undo, kube, change))
        if wanted.purge_crds:
            do("Deleting Cilium's CRDs and all their objects", lambda: _purge(kube, deadline))
        if wanted.delete_namespace:
            do(f"Deleting namespace `{wanted.namespace}`", lambda: _delete_namespace(kube, wanted.namespace, deadline))
    return Removed(
        context=kube.context,
        namespace=wanted.namespace,
        release=wanted.release,
        steps=tuple(steps),
        kept=kept,
    )


def partial_error(removed: Removed) -> Partial | None:
    """The error of an uninstallation with failed steps."""
    failed = [step for step in removed.steps if step.outcome == "failed"]
    if not failed:
        return None
    return Partial(
        f"{len(failed)} of {len(removed.steps)} steps failed: {'; '.join(step.title for step in failed)}",
        hint="mend the cause and run `ciliumctl uninstall` again: what is gone is skipped",
    )


def _uninstall(helm: Helm, found: Release) -> str:
    helm.uninstall(found.name, namespace=found.namespace)
    return f"{found.name} revision {found.revision}"


def _look_for(changes: list[flavour.ClusterChange], kube: Kube) -> str:
    changes.extend(flavour.applied_changes(kube))
    return f"{len(changes)} to undo" if changes else "none"


def _wait_gone(kube: Kube, found: Release | None, namespace: str, deadline: Deadline) -> str:
    """Wait for the pods, and for the release's own namespaces: a new installation would fail in their midst."""
    namespaces = _namespaces(permissions.documents(found.manifest)) if found is not None else ()

    def left() -> Sequence[str]:
        pods = kube.table(PODS, namespace, labels=PART_OF, cached=False).column("name")
        there = [name for name in namespaces if kube.find(NAMESPACES, name) is not None]
        return [*(f"pod {name}" for name in pods), *(f"namespace {name}" for name in there)]

    names = poll(left, lambda names: not names, deadline=deadline, interval=0.5)
    if names:
        raise TimedOut(
            f"still there: {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}",
            hint=f"`kubectl get pods -n {namespace} -l {PART_OF}`",
        )
    return ""


def _namespaces(documents: Sequence[Manifest]) -> tuple[str, ...]:
    return tuple(name_of(item) for item in documents if item.get("kind") == "Namespace")


def _undo(kube: Kube, change: flavour.ClusterChange) -> str:
    return "" if change.undo(kube) else "was undone already"


def _crd_names(kube: Kube) -> list[str]:
    """A CRD's name is its plural and its group, always."""
    names = [name_of(item) for item in kube.objects(CRDS, metadata_only=True)]
    return [name for name in names if name.endswith(f".{_GROUP}")]


def _purge(kube: Kube, deadline: Deadline) -> str:
    names = _crd_names(kube)
    for name in names:
        kube.delete(CRDS, name)

    def left() -> list[str]:
        return [name for name in names if kube.find(CRDS, name) is not None]

    still = poll(left, lambda still: not still, deadline=deadline, interval=1.0)
    if still:
        raise TimedOut(
            f"{len(still)} CRDs are still being deleted: {', '.join(still[:3])}",
            hint="their objects may have finalizers: `kubectl get crd NAME -o yaml`",
        )
    return f"{len(names)} deleted"


def _delete_namespace(kube: Kube, name: str, deadline: Deadline) -> str:
    if name in {"kube-system", "kube-public", "default"}:
        return "left: it is Kubernetes' own"
    kube.delete(NAMESPACES, name)
    gone = poll(lambda: kube.find(NAMESPACES, name) is None, bool, deadline=deadline, interval=1.0)
    if not gone:
        raise TimedOut(f"namespace `{name}` is still being deleted", hint=f"`kubectl get ns {name} -o yaml`")
    return ""


def _kept(wanted: Wanted, *, crds: bool) -> tuple[str, ...]:
    kept = (
        []
        if wanted.purge_crds or not crds
        else ["Cilium's CRDs and their objects, policies among them (`--purge-crds`)"]
    )
    if not wanted.delete_namespace and wanted.namespace not in {"kube-system", "default"}:
        kept.append(f"namespace `{wanted.namespace}` (`--delete-namespace`)")
    return (*kept, *(f"on every node: {line}" for line in RESIDUE), "running pods keep their old network: restart them")
