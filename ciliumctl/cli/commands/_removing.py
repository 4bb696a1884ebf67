"""What `uninstall` shows: before, and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.removal import NodeCleaned, Preview, Removed

# Of a long list, this many are shown; `-o json` has all.
_SHOWN = 5


def show_preview(out: Writer, ahead: Preview) -> None:
    """What goes, what stays, what breaks."""
    what = f"Cilium {ahead.version}" if ahead.release else "What an uninstallation left"
    out.line((what, "head"), f" in namespace {ahead.namespace} of {ahead.context}")
    if ahead.pending:
        out.line(("beware: ", "bad"), f"the release is {ahead.pending}: an operation on it is at work, or was killed")
    for number, line in enumerate(_goes(ahead)):
        out.line("       " if number else "goes:  ", line)
    for number, line in enumerate(_stays(ahead)):
        out.line("       " if number else "stays: ", line)
    _show_losses(out, ahead)


def _goes(ahead: Preview) -> Iterator[str]:
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(ahead.removes.items()))
    yield f"release {ahead.release}: {counted}" if ahead.release else "no release: it is gone already"
    for name in ahead.namespaces:
        yield f"namespace {name} with all that is in it"
    if ahead.deleted_namespace:
        yield f"namespace {ahead.deleted_namespace} with all that is in it, by `--delete-namespace`"
        kinds = Counter(name.partition("/")[0] for name in ahead.foreign)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield f"  not Cilium's: {told or 'nothing'}"
        yield from (f"  {name}" for name in _first(ahead.foreign))
    if ahead.wanted.purge_crds:
        yield from _crds(ahead, "by")
    if ahead.beside and ahead.wanted.purge:
        yield _beside(ahead, "by")
    for change in ahead.changes:
        yield f"undone: {change}"
    marks = ahead.marks
    if marks:
        parts = [
            f"{word} on {count}"
            for word, count in (
                ("annotations", marks.annotations),
                ("the taint of a missing agent", marks.taints),
                ("Cilium's condition", marks.conditions),
            )
            if count
        ]
        yield f"marks on Node objects: {', '.join(parts)}"
    if ahead.nodes:
        yield f"with `--clean-nodes`, on {ahead.nodes} nodes, by a pod of {ahead.node_image} for a moment:"
        yield f"  looked for in {', '.join(ahead.folders)}"
        yield from (f"  {line}" for line in ahead.residue)
        yield "  running pods of Cilium's network lose their links with it"
    if ahead.skipped_nodes:
        yield from (f"  not on {line}" for line in _first(ahead.skipped_nodes))


def _stays(ahead: Preview) -> Iterator[str]:
    if not ahead.wanted.purge_crds:
        yield from _crds(ahead, "unless")
    if ahead.other_crds:
        yield f"not Cilium's: {len(ahead.other_crds)} CRDs, {', '.join(_first(ahead.other_crds))}"
    if ahead.beside and not ahead.wanted.purge:
        yield _beside(ahead, "unless")
    if not ahead.nodes:
        yield from (f"on every node: {line}" for line in ahead.residue)


def _crds(ahead: Preview, word: str) -> Iterator[str]:
    objects = ", ".join(f"{count} {name.split('.')[0]}" for name, count in sorted(ahead.objects.items()))
    if ahead.crds:
        yield f"{len(ahead.crds)} CRDs{f' with {objects}' if objects else ''} ({word} `--purge-crds`)"
        yield from (f"  policy {line}" for line in _first(ahead.policy_names))


def _beside(ahead: Preview, word: str) -> str:
    return f"beside the release ({word} `--purge`): {', '.join(_first(ahead.beside))}"


def _first(names: Sequence[str]) -> list[str]:
    more = len(names) - _SHOWN
    return [*names[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _show_losses(out: Writer, ahead: Preview) -> None:
    if ahead.networked_pods:
        many = ahead.networked_pods != 1
        pods = f"{ahead.networked_pods} running pods lose their" if many else "1 running pod loses its"
        out.line("breaks: ", f"{pods} network until another CNI is there")
        _show_restarts(out, [one.command for one in ahead.restarts])
    if ahead.without_kube_proxy:
        out.line(("        no kube-proxy runs here: every service stops working, DNS and the API among them", "bad"))
    if ahead.peers:
        out.line(("        Cluster Mesh: ", "bad"), f"connected to {', '.join(ahead.peers)}; refused without `--force`")
    for name in _first(ahead.not_known):
        out.line(("        not known: ", "bad"), f"{name}; refused without `--force`")
    for name in _first(ahead.lost_secrets):
        out.line(("        lost: ", "bad"), f"Secret {name}")


def _show_restarts(out: Writer, commands: Sequence[str]) -> None:
    if commands:
        out.line("        ", "restart them under the next CNI:")
        for command in _first(commands):
            out.line("          ", command)


def render(out: Writer, result: Removed) -> None:
    """What was done and what is left."""
    if not result.steps:
        out.line(f"no Cilium in namespace {result.namespace} of {result.context}: nothing to remove")
        return
    gone = "removed from" if result.ok else "only partly removed from"
    out.line(f"Cilium {gone} {result.context}")
    for step in result.steps:
        if step.outcome == "failed" or (step.outcome == "skipped" and not result.ok):
            style = "bad" if step.outcome == "failed" else "dim"
            out.line((step.outcome, style), f": {step.title}{f': {step.detail}' if step.detail else ''}")
    for node in result.nodes:
        _show_node(out, node)
    for line in result.kept:
        out.line("left: ", line)
    _show_restarts(out, [one.command for one in result.restarts])


def _show_node(out: Writer, node: NodeCleaned) -> None:
    if node.outcome == "skipped":
        out.line("node ", node.node, ": ", ("skipped", "dim"), f": {node.detail}")
    elif node.outcome != "done":
        out.line("node ", node.node, ": ", (node.outcome.replace("-", " "), "bad"), f": {node.detail}")
    elif node.left:
        out.line("node ", node.node, ": ", ("still there", "bad"), f": {', '.join(_first(node.left))}")
    else:
        kept = f"; not renamed back beside another CNI's: {', '.join(node.kept)}" if node.kept else ""
        out.line("node ", node.node, ": ", f"clean, {len(node.removed)} things removed{kept}")
