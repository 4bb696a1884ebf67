"""Remove Cilium.

What goes and what stays is shown first. CRDs, and with them everybody's Cilium policies, are only deleted with
`--purge-crds --confirm CONTEXT`; the namespace is kept unless asked otherwise.

Exit codes: 0 removed or not there, 3 not confirmed or managed by another tool, 7 some steps failed.

Examples:
  ciliumctl uninstall
  ciliumctl uninstall --yes -n cilium --delete-namespace
  ciliumctl uninstall --yes --purge-crds --confirm my-context
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer, wants_color

if TYPE_CHECKING:
    from ciliumctl.removal import Preview, Removed

KIND = "Removal"


def command(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would go and what would stay")] = False,
    purge_crds: Annotated[
        bool, option("--purge-crds", help="Delete Cilium's CRDs and all their objects, policies among them")
    ] = False,
    delete_namespace: Annotated[bool, option("--delete-namespace", help="Delete the namespace too")] = False,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be undone")
    ] = "",
) -> None:
    """Preview, ask, remove."""
    from ciliumctl import removal
    from ciliumctl.errors import NeedsConfirmation

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(300.0)
    wanted = removal.Wanted(
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        purge_crds=purge_crds,
        delete_namespace=delete_namespace,
    )
    kube = session.kube
    found = removal.find(kube, wanted, _installing.storage(session))
    if found is None and not removal.leftovers(kube, wanted):
        session.finish(removal.nothing(kube, wanted), render)
    ahead = removal.preview(kube, found, wanted)
    if dry_run:
        session.finish(ahead, show_preview)
    if not session.settings.quiet:
        show_preview(Writer(sys.stderr, color=wants_color(session.settings.color, sys.stderr, session.environ)), ahead)
    if purge_crds and confirm != kube.context:
        raise NeedsConfirmation(
            f"`--purge-crds` deletes {ahead.policies} Cilium policies and every other Cilium object for good",
            hint=f"confirm it with the context's name: `--confirm {kube.context}`",
        )
    session.confirm(
        f"Remove Cilium from `{kube.context}`?",
        refusal="removing Cilium takes the network from running pods",
        hint="look first with `--dry-run`, then add `--yes`",
    )
    result = removal.remove(
        kube,
        session.helm,
        found,
        wanted,
        holder=session.holder("uninstall"),
        deadline=deadline,
        report=session.report,
    )
    failed = removal.partial_error(result)
    if failed is not None:
        session.fail(failed, result, render)
    session.finish(result, render)


def show_preview(out: Writer, ahead: Preview) -> None:
    """What goes, what stays, what breaks."""
    what = f"Cilium {ahead.version}" if ahead.release else "What an uninstallation left"
    out.line((what, "head"), f" in namespace {ahead.namespace} of {ahead.context}")
    if ahead.pending:
        out.line(("beware: ", "bad"), f"the release is {ahead.pending}: an operation on it is at work, or was killed")
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(ahead.removes.items()))
    out.line("goes:  ", f"release {ahead.release}: {counted}" if ahead.release else "no release: it is gone already")
    for name in ahead.namespaces:
        out.line("       ", f"namespace {name} with all that is in it")
    for change in ahead.changes:
        out.line("       ", f"undone: {change}")
    objects = ", ".join(f"{count} {name.split('.')[0]}" for name, count in sorted(ahead.objects.items()))
    stays = [f"{len(ahead.crds)} CRDs{f' with {objects}' if objects else ''}"] if ahead.crds else []
    stays += [f"on every node: {line}" for line in ahead.residue]
    for number, line in enumerate(stays):
        out.line("       " if number else "stays: ", line)
    if ahead.networked_pods:
        many = ahead.networked_pods != 1
        pods = f"{ahead.networked_pods} running pods lose their" if many else "1 running pod loses its"
        out.line("breaks: ", f"{pods} network until another CNI is there")
    if ahead.without_kube_proxy:
        out.line(("        no kube-proxy runs here: every service stops working, DNS and the API among them", "bad"))


def render(out: Writer, result: Removed) -> None:
    """What was done and what is left."""
    if not result.steps:
        out.line(f"no Cilium in namespace {result.namespace} of {result.context}: nothing to remove")
        return
    gone = "removed from" if result.ok else "only partly removed from"
    out.line(f"Cilium {gone} {result.context}")
    for line in result.kept:
        out.line("left: ", line)
