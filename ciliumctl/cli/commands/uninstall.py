"""Remove Cilium.

What goes and what stays is shown first. CRDs, and with them everybody's Cilium policies, are only deleted with
`--purge-crds`, Secrets and Leases beside the release with `--purge`, and what is left on the nodes with
`--clean-nodes`; each of these wants `--confirm CONTEXT`. The namespace is kept unless asked otherwise; one that holds
things of others wants `--force` and `--confirm CONTEXT` besides.

`--clean-nodes` runs a privileged pod on every node for a moment, once the agents are gone, and tells node by node what
it removed and what is still there. Running the command again finds what is left and goes on.

Exit codes: 0 removed or not there, 3 not confirmed, refused or managed by another tool, 7 some steps failed.

Examples:
  ciliumctl uninstall
  ciliumctl uninstall --dry-run --clean-nodes
  ciliumctl uninstall --yes --clean-nodes --confirm my-context
  ciliumctl uninstall --yes --purge --purge-crds --confirm my-context
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing, _removing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer, wants_color

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.removal import Preview, Wanted

KIND = "Removal"


def command(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would go and what would stay")] = False,
    clean_nodes: Annotated[
        bool, option("--clean-nodes", help="Remove what Cilium left on the nodes, by a pod on each")
    ] = False,
    node_image: Annotated[
        str, option("--node-image", metavar="IMAGE", help="What runs on the nodes, instead of the agent's image")
    ] = "",
    purge: Annotated[
        bool, option("--purge", help="Delete Secrets, Leases and ConfigMaps that stay beside the release")
    ] = False,
    purge_crds: Annotated[
        bool, option("--purge-crds", help="Delete Cilium's CRDs and all their objects, policies among them")
    ] = False,
    delete_namespace: Annotated[bool, option("--delete-namespace", help="Delete the namespace too")] = False,
    keep_journal: Annotated[
        bool, option("--keep-journal", help="Keep the record of who did what to this Cilium")
    ] = False,
    force: Annotated[
        bool, option("--force", help="Go on although others hang on this Cilium, or what is theirs would be lost")
    ] = False,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be undone")
    ] = "",
) -> None:
    """Preview, ask, remove."""
    from ciliumctl import removal
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    if node_image and not clean_nodes:
        raise UsageError(
            "`--node-image` says what `--clean-nodes` runs, which is not asked for", hint="add `--clean-nodes`"
        )
    # A pod on every node takes its time.
    deadline = session.deadline(600.0 if clean_nodes else 300.0)
    wanted = removal.Wanted(
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        purge_crds=purge_crds,
        purge=purge,
        delete_namespace=delete_namespace,
        clean_nodes=clean_nodes,
        keep_journal=keep_journal,
        node_image=node_image,
    )
    kube = session.kube
    found = removal.find(kube, wanted, _installing.storage(session))
    if found is None and not removal.leftovers(kube, wanted):
        session.finish(removal.nothing(kube, wanted), _removing.render)
    ahead = removal.preview(kube, found, wanted)
    if dry_run:
        session.finish(ahead, _removing.show_preview)
    if not session.settings.quiet:
        color = wants_color(session.settings.color, sys.stderr, session.environ)
        _removing.show_preview(Writer(sys.stderr, color=color), ahead)
    if not force:
        removal.refuse_dependants(ahead)
    _confirm(session, wanted, ahead, confirm)
    result = removal.remove(
        kube,
        session.helm,
        found,
        wanted,
        ahead=ahead,
        holder=session.holder("uninstall"),
        deadline=deadline,
        report=session.report,
    )
    failed = removal.partial_error(result)
    if failed is not None:
        session.fail(failed, result, _removing.render)
    session.finish(result, _removing.render)


def _confirm(session: Session, wanted: Wanted, ahead: Preview, confirm: str) -> None:
    """Want the context's name for what cannot be undone, and a yes for the rest."""
    from ciliumctl.errors import NeedsConfirmation

    lost = []
    if wanted.purge_crds:
        lost.append(f"`--purge-crds` deletes {ahead.policies} Cilium policies and every other Cilium object for good")
    if wanted.purge:
        lost.append(f"`--purge` deletes {len(ahead.beside)} objects, keys among them, for good")
    if wanted.clean_nodes:
        lost.append(f"`--clean-nodes` changes files, links and rules of {ahead.nodes} nodes")
    if ahead.foreign or (ahead.deleted_namespace and ahead.not_known):
        lost.append(
            f"`--delete-namespace` deletes namespace `{ahead.deleted_namespace}` "
            f"with {len(ahead.foreign)} objects that are not Cilium's"
        )
    if lost and confirm != ahead.context:
        raise NeedsConfirmation(
            "; ".join(lost), hint=f"confirm it with the context's name: `--confirm {ahead.context}`"
        )
    session.confirm(
        f"Remove Cilium from `{ahead.context}`?",
        refusal="removing Cilium takes the network from running pods",
        hint="look first with `--dry-run`, then add `--yes`",
    )
