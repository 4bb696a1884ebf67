"""List the network policies: whom they select, what they isolate, whether Cilium took them.

PODS is how many pods each selects now. VALID is what Cilium's operator says; of Kubernetes' own nobody says it.

Exit codes: 0, and 1 when Cilium refused one of them; 7 when agents did not answer (`--audit`).

Examples:
  ciliumctl policy list
  ciliumctl policy list -n shop -o wide
  ciliumctl policy list --audit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.policy import _choosing as choosing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.policies.listing import Listed, PolicyList

KIND = "PolicyList"


def command(
    ctx: typer.Context,
    *,
    namespace: choosing.Namespace = "",
    audit: Annotated[bool, option("--audit", help="Ask the agents which pods are in audit mode")] = False,
) -> None:
    """List them."""
    from ciliumctl.errors import Partial
    from ciliumctl.policies import listing

    session = session_of(ctx)
    session.allow("wide", "name")
    session.deadline(120.0)
    result = listing.listed(session.kube, session.settings.namespace, place=namespace, ask_agents=audit)
    if result.failed:
        said = "; ".join(f"{node}: {why}" for node, why in sorted(result.failed.items()))
        error = Partial(f"the agents of some nodes did not answer: {said}", hint="`ciliumctl status` shows the agents")
        session.fail(error, result, render)
    session.finish(result, render)


def render(out: Writer, result: PolicyList) -> None:
    """A line each; what Cilium refused below."""
    asked = any(one.audited is not None for one in result.policies)
    columns = ["kind", "namespace", "name", "pods", "directions", "isolates", "valid", *(["audit"] if asked else [])]
    if result.policies:
        out.table(columns, [_row(one, asked=asked) for one in result.policies])
    elif result.namespace:
        out.line(f"there are no network policies in namespace `{result.namespace}`, and no clusterwide ones")
    else:
        means = "no pod may talk to anybody" if result.mode == "always" else "every pod may talk to everybody"
        out.line(f"there are no network policies: {means}")
    for one in result.policies:
        if one.problem:
            out.line(("✗ ", "bad"), f"{one.kind} {one.namespace}/{one.name} is not enforced: {one.problem}")
    if result.audit:
        out.line(("⚠ ", "warn"), "`policyAuditMode` is on: what policies deny is let through everywhere")
    if result.mode != "default":
        out.line(("⚠ ", "warn"), f"`policyEnforcementMode` is `{result.mode}`")


def _row(one: Listed, *, asked: bool) -> list[Cell]:
    pods: Cell = "nodes" if one.pods is None else ("0", "warn") if one.pods == 0 else str(one.pods)
    valid: Cell = (one.valid, "bad" if one.valid == "no" else "good") if one.valid else ("-", "dim")
    row = [one.kind, one.namespace or ("-", "dim"), (one.name, "head"), pods]
    row += [", ".join(one.directions) or "-", ", ".join(one.isolates) or ("-", "dim"), valid]
    return [*row, *([str(one.audited)] if asked else [])]
