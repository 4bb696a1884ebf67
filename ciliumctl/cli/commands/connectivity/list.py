"""List the connectivity tests: what each shows, in which profile it is.

With `--here` the cluster is asked what it would skip, and why.

Examples:
  ciliumctl connectivity list
  ciliumctl connectivity list --here --profile full
  ciliumctl connectivity list -o name
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.connectivity import _choosing as choosing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer
from ciliumctl.connectivity.listing import Listed

KIND = "ConnectivityTests"


def command(
    ctx: typer.Context,
    *,
    profile: choosing.Profile = "full",
    test: choosing.Test = None,
    skip: choosing.Skip = None,
    here: Annotated[bool, option("--here", help="Ask the cluster which of them it would skip, and why")] = False,
    single_node: choosing.SingleNode = False,
    external: choosing.External = "",
    ip_families: choosing.Families = "",
    node_selector: choosing.NodeSelector = None,
    toleration: choosing.Toleration = None,
) -> None:
    """List them."""
    from ciliumctl.connectivity import Wanted, listing

    session = session_of(ctx)
    session.allow("name")
    settings = choosing.settings(
        images=None,
        registry="",
        pull_secret="",
        node_selector=node_selector,
        tolerations=toleration,
        single_node=single_node,
        families=ip_families,
        external=external,
    )
    wanted = Wanted(
        owner="",
        namespace=session.settings.namespace,
        settings=settings,
        profile=profile,
        tests=tuple(test or ()),
        skips=tuple(skip or ()),
    )
    session.deadline(60)
    session.finish(listing.listed(session.kube if here else None, wanted), render)


def render(out: Writer, result: Listed) -> None:
    """A line for each."""
    out.table(
        ("test", "profile", "category", "what it shows"),
        [
            (
                test.name,
                test.profile,
                test.category,
                (f"skipped here: {test.skipped}", "dim") if test.skipped else test.about,
            )
            for test in result.tests
        ],
    )
