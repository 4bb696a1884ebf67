"""Show the versions of ciliumctl, Helm, the API server and Cilium.

Nothing is looked up on the web. With `--client` the cluster is not asked either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import CiliumctlError

if TYPE_CHECKING:
    from ciliumctl.versions import Versions

KIND = "Version"


def command(
    ctx: typer.Context,
    *,
    client: Annotated[bool, option("--client", help="Show only what is on this machine")] = False,
) -> None:
    """Collect and show."""
    from ciliumctl import release, versions

    session = session_of(ctx)
    session.allow()
    session.deadline(30.0)
    mine = versions.here(session.helm_version())
    if client:
        session.finish(mine, render)
    try:
        result = versions.with_cluster(
            mine,
            session.kube,
            name=session.settings.helm_release_name,
            namespace=session.settings.namespace,
            storage=release.storage(session.environ),
        )
    except CiliumctlError as error:
        session.fail(error, mine, render)
    session.finish(result, render)


def render(out: Writer, result: Versions) -> None:
    """Show one version a line."""
    rows = [
        ("ciliumctl", result.ciliumctl),
        ("python", result.python),
        ("helm", f"{result.helm} ({result.helm_path})" if result.helm else "not found"),
    ]
    if result.context:
        rows.append(("kubernetes", f"{result.kubernetes} (context {result.context})"))
        without = f"{result.agents} (no Helm release)" if result.agents else "no Helm release"
        rows.append(("cilium", f"{result.chart} ({result.release_status})" if result.chart else without))
    out.table(("", ""), rows)
