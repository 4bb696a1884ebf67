"""Say what a network policy means, in words, beside its YAML.

Exit codes: 0, and 1 when Cilium refused it.

Examples:
  ciliumctl policy show web -n shop
  ciliumctl policy show ccnp/deny-metadata-service
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.policy import _choosing as choosing
from ciliumctl.cli.options import argument
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.policies.listing import Shown

KIND = "Policy"


def command(
    ctx: typer.Context,
    name: Annotated[str, argument(metavar="[KIND/][NAMESPACE/]NAME", help="One of `policy list`")],
    *,
    namespace: choosing.Namespace = "",
) -> None:
    """Show it."""
    from ciliumctl.policies import listing

    session = session_of(ctx)
    session.allow()
    session.deadline(60.0)
    session.finish(listing.shown(session.kube, name, place=namespace), render)


def render(out: Writer, result: Shown) -> None:
    """The words, as comments, then the YAML: it can be applied as it is."""
    out.line(("# ", "dim"), (result.policy, "head"), f" is for {'; and for '.join(result.subjects)}")
    for sentence in result.sentences:
        out.line(("# ", "dim"), sentence)
    if result.problem:
        out.line(("# ", "dim"), ("not enforced: ", "bad"), result.problem)
    out.text(result.text)
