"""Remove Cilium step by step. A step that fails is told; the others go on, and another run does the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from ciliumctl import flavour, journal, lock, nodework
from ciliumctl.clients.helm import Helm, Release
from ciliumctl.clients.kube import NAMESPACES, Kube
from ciliumctl.errors import CiliumctlError, ClusterError, NotFound, Partial, Refused, TimedOut
from ciliumctl.nodework import NodeImage
from ciliumctl.removal import crds, foreign, looking, marks, nodes, objects, remembered, waiting
from ciliumctl.removal.model import NodeCleaned, Preview, Removed, Step, Wanted
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll

# Seconds of which half are for the pods, where the command has no end.
_LONGEST_WAIT = 600.0


def refuse_dependants(ahead: Preview) -> None:
    """Refuse while something else hangs on this Cilium, or would be lost with it.

    Raises:
        Refused: it does; everything is named.
    """
    if ahead.peers:
        raise Refused(
            f"this cluster is in a Cluster Mesh with {', '.join(f'`{name}`' for name in ahead.peers)}: "
            "their pods lose the services they share",
            hint="disconnect them first (`cilium clustermesh disconnect`), or add `--force`",
        )
    if ahead.foreign:
        shown = ", ".join(f"`{name}`" for name in ahead.foreign[:3])
        raise Refused(
            f"namespace `{ahead.deleted_namespace}` holds {len(ahead.foreign)} objects that are not Cilium's: {shown}"
            f"{' and more' if len(ahead.foreign) > 3 else ''}",
            hint=f"look at them with `kubectl get all,cm,secrets,pvc -n {ahead.deleted_namespace}`; leave out "
            "`--delete-namespace`, or add `--force`",
        )
    if ahead.not_known:
        raise Refused(
            f"what could be lost is not known: {', '.join(ahead.not_known)}",
            hint="ask somebody who may, or add `--force`",
        )
    if ahead.lost_secrets:
        places = ", ".join(sorted({name.partition("/")[0] for name in ahead.lost_secrets}))
        shown = ", ".join(f"`{name}`" for name in ahead.lost_secrets[:3])
        more = f" and {len(ahead.lost_secrets) - 3} more" if len(ahead.lost_secrets) > 3 else ""
        raise Refused(
            f"Secrets that Cilium did not make go with its namespace: {shown}{more}",
            hint=f"save them first: `kubectl get secrets -n {places} -o yaml > secrets.yaml`, then add `--force`",
        )


class _Steps:
    """The steps that were done so far."""

    def __init__(self, report: Reporter) -> None:
        self.report = report
        self.done: list[Step] = []
        #: Why the steps that come are not done; empty while they are.
        self.stopped = ""

    def do(self, title: str, work: Callable[[], str], *, unless: str = "") -> None:
        """Do one, unless there is a reason not to; a failure is kept."""
        reason = self.stopped or unless
        if reason:
            self.done.append(Step(title=title, outcome="skipped", detail=reason))
            return
        try:
            with self.report.step(title) as step:
                detail = work()
                step.finish(detail)
            self.done.append(Step(title=title, outcome="done", detail=detail))
        except NotFound:
            self.done.append(Step(title=title, outcome="skipped", detail="not there"))
        except CiliumctlError as error:
            self.failed(title, error)

    @property
    def last_failed(self) -> bool:
        """Whether the step that was done last failed."""
        return bool(self.done) and self.done[-1].outcome == "failed"

    def failed(self, title: str, error: CiliumctlError) -> None:
        """Keep a failure, and tell of it."""
        self.report.warn(f"{title}: {error.message}", error.hint)
        self.done.append(Step(title=title, outcome="failed", detail=error.message))


def remove(
    kube: Kube,
    helm: Helm,
    found: Release | None,
    wanted: Wanted,
    *,
    ahead: Preview,
    holder: lock.Holder,
    deadline: Deadline,
    report: Reporter,
) -> Removed:
    """Remove the release and what was asked for besides. `ahead` is what was looked at and agreed to."""
    steps = _Steps(report)
    kept = _kept(wanted, ahead)
    # Its pull secrets are known only while the release is there.
    image = looking.image(kube, found, wanted) if ahead.nodes else NodeImage(image="")
    cleaned: tuple[NodeCleaned, ...] = ()
    report.resume = "`ciliumctl uninstall` goes on where it stopped"
    with lock.held(kube, holder, report), _told(kube, found, holder, report, steps):
        nodework.clean_up(kube, report)
        values = looking.node_values(kube, found) if found is not None or wanted.clean_nodes else {}
        if found is not None:
            kept += _remember(kube, values, image.image, wanted, report)
        if found is not None:
            steps.do("Removing the Helm release", lambda: _uninstall(helm, found))
            if steps.last_failed:
                steps.stopped = "the release is still there"
        # What comes after has to have its time, too.
        share = deadline.within(deadline.left(_LONGEST_WAIT) / 2)
        steps.do("Waiting until the pods are gone", lambda: waiting.until_gone(kube, found, wanted.namespace, share))
        there = "Cilium's pods are still there" if steps.last_failed else ""
        changes: list[flavour.ClusterChange] = []
        steps.do("Looking for changes outside the release", lambda: _look_for(changes, kube))
        for change in changes:
            steps.do(f"Undoing: {change.info.title}", partial(_undo, kube, change))
        # The operator puts the taint back where an agent is missing: not before it is gone.
        steps.do("Removing Cilium's marks from the nodes", lambda: marks.remove(kube))
        if wanted.clean_nodes and not steps.stopped:
            cleaned = _clean(kube, image, values, wanted.namespace, holder.who, steps)
        if wanted.purge:
            title = "Deleting what is beside the release"
            steps.do(title, lambda: objects.purge(kube, wanted.namespace), unless=there)
        if wanted.purge_crds:
            title = "Deleting Cilium's CRDs and all their objects"
            steps.do(title, lambda: crds.purge(kube, deadline), unless=there)
        if wanted.delete_namespace:
            title = f"Deleting namespace `{wanted.namespace}`"
            steps.do(title, lambda: _delete_namespace(kube, wanted.namespace, deadline), unless=there)
        if not wanted.keep_journal and all(step.outcome != "failed" for step in steps.done):
            # What is left to do is still somebody's to understand.
            journal.forget(kube, wanted.namespace)
    return Removed(
        context=kube.context,
        namespace=wanted.namespace,
        release=wanted.release,
        steps=tuple(steps.done),
        nodes=cleaned,
        restarts=ahead.restarts,
        kept=kept,
    )


def _remember(kube: Kube, values: Mapping[str, Any], image: str, wanted: Wanted, report: Reporter) -> tuple[str, ...]:
    """Keep what a later `--clean-nodes` must know, when the release is gone. Returns what is to be said of it."""
    try:
        if wanted.clean_nodes or remembered.needed(values):
            remembered.keep(kube, values, image)
            place = f"`{remembered.NAMESPACE}/{remembered.NAME}`"
            return () if wanted.clean_nodes else (f"ConfigMap {place}: the nodes' folders, for `--clean-nodes`",)
        remembered.forget(kube)
    except ClusterError as error:
        report.warn(
            f"the nodes' folders cannot be kept: {error.message}",
            "a later `--clean-nodes` would look in Cilium's usual folders",
        )
    return ()


@contextmanager
def _told(kube: Kube, found: Release | None, holder: lock.Holder, report: Reporter, steps: _Steps) -> Iterator[None]:
    """Keep the journal of a removal: one that is killed says who began it."""
    if found is None:
        yield
        return
    entry = journal.entry(
        holder, "uninstall", found.name, from_revision=found.revision, from_version=found.chart_version
    )
    with journal.keeping(kube, found.namespace, entry, report) as record:
        yield
        failed = [step.title for step in steps.done if step.outcome == "failed"]
        record.ended("failed" if failed else "done", "; ".join(failed))


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


def _undo(kube: Kube, change: flavour.ClusterChange) -> str:
    return "" if change.undo(kube) else "was undone already"


def _clean(
    kube: Kube, image: NodeImage, values: Mapping[str, Any], namespace: str, owner: str, steps: _Steps
) -> tuple[NodeCleaned, ...]:
    """Clean the nodes: a step that reports its own progress."""
    title = "Cleaning the nodes"
    try:
        cleaned = nodes.clean(kube, image, namespace=namespace, values=values, owner=owner, report=steps.report)
    except CiliumctlError as error:
        steps.failed(title, error)
        return ()
    bad = [one for one in cleaned if not one.clean]
    if bad:
        detail = f"{len(bad)} of {len(cleaned)} nodes are not clean: {', '.join(one.node for one in bad[:5])}"
        steps.done.append(Step(title=title, outcome="failed", detail=detail))
        steps.report.warn(detail, "the table says why; run it again when that is mended")
    else:
        try:
            remembered.forget(kube)
        except ClusterError as error:
            place = f"{remembered.NAME} -n {remembered.NAMESPACE}"
            steps.report.warn(f"the nodes' folders stay written down: {error.message}", f"`kubectl delete cm {place}`")
        done = sum(one.outcome == "done" for one in cleaned)
        steps.done.append(Step(title=title, outcome="done", detail=f"{done} of {len(cleaned)} nodes"))
    return cleaned


def _delete_namespace(kube: Kube, name: str, deadline: Deadline) -> str:
    if name in foreign.KUBERNETES_OWN:
        return "left: it is Kubernetes' own"
    kube.delete(NAMESPACES, name)
    gone = poll(lambda: kube.find(NAMESPACES, name) is None, bool, deadline=deadline, interval=1.0)
    if not gone:
        raise TimedOut(f"namespace `{name}` is still being deleted", hint=f"`kubectl get ns {name} -o yaml`")
    return ""


def _kept(wanted: Wanted, ahead: Preview) -> tuple[str, ...]:
    kept = []
    if ahead.crds and not wanted.purge_crds:
        kept.append("Cilium's CRDs and their objects, policies among them (`--purge-crds`)")
    if ahead.other_crds and wanted.purge_crds:
        kept.append(f"not Cilium's: {len(ahead.other_crds)} CRDs, {', '.join(ahead.other_crds[:4])}")
    if ahead.beside and not wanted.purge:
        names = ", ".join(name.rpartition("/")[2] for name in ahead.beside[:4])
        more = f" and {len(ahead.beside) - 4} more" if len(ahead.beside) > 4 else ""
        kept.append(f"in namespace `{wanted.namespace}`: {names}{more} (`--purge`)")
    if not wanted.delete_namespace and wanted.namespace not in foreign.KUBERNETES_OWN:
        kept.append(f"namespace `{wanted.namespace}` (`--delete-namespace`)")
    if not wanted.clean_nodes:
        kept += [f"on every node: {line}" for line in ahead.residue]
        kept.append("all of that goes with `--clean-nodes`")
        return (*kept, "running pods keep their old network: restart them")
    return (*kept, "running pods of Cilium's network lost their links: restart them")
