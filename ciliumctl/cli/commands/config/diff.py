"""Show where Cilium's settings differ: the release's values, its manifest, the live ConfigMap and the agents.

An agent reads its settings when its pod starts, so after a change some agents may still run with the old ones. Those of
nodes that a CiliumNodeConfig or an annotation sets up otherwise are shown, and are no difference.
This is about Cilium; the options of ciliumctl itself are shown by `ciliumctl config explain`.

Exit codes: 0 all the same, 1 something differs, 7 nothing does, but an agent could not be asked.

Examples:
  ciliumctl config diff
  ciliumctl config diff --no-agents
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.change.settings import AgentGroup, ConfigDrift, KeyDrift

KIND = "ConfigDrift"
_NAMED = 4


def command(
    ctx: typer.Context,
    *,
    agents: Annotated[
        bool, option("--agents/--no-agents", help="Ask every agent what it runs with (default: yes)")
    ] = True,
) -> None:
    """Compare and show."""
    from ciliumctl import change
    from ciliumctl.change import settings
    from ciliumctl.clients.helm import Inputs

    session = session_of(ctx)
    session.allow()
    session.deadline(300.0)
    where = _installing.where(session)
    with _installing.scratch() as folder:
        found, _owner = change.look(session.kube, where)
        if found is None:
            found = change.installed(session.kube, where, "change values")
        chart = change.stored_chart(found, folder)
        target = change.aim(found, chart, Inputs(generated=found.config), session.helm)
        result = settings.drift(session.kube, target, session.report, ask_agents=agents)
    if result.partial is not None:
        session.fail(result.partial, result, render)
    session.finish(result, render)


def render(out: Writer, result: ConfigDrift) -> None:
    """A few lines for each key that is not the same everywhere."""
    for key in result.keys:
        _show(out, key, result.agents)
    for silent in result.not_asked[:_NAMED]:
        out.line(("not asked: ", "warn"), f"the agent on {silent.node}: {silent.why}")
    if len(result.not_asked) > _NAMED:
        out.line(("not asked: ", "warn"), f"{len(result.not_asked) - _NAMED} more agents")
    if not result.keys:
        asked = f", the live ConfigMap and {result.agents} agents" if result.agents else " and the live ConfigMap"
        out.line(f"release revision {result.revision}{asked} agree")


def _show(out: Writer, key: KeyDrift, agents: int) -> None:
    out.line((key.key, "head"))
    forms = [("values render", key.values), ("release", key.release), ("live", key.live)]
    if key.values == key.release == key.live:
        forms = [("release and live", key.live)]
    for name, value in forms:
        out.line(f"  {name:<17}", _shown(value))
    for group in key.agents:
        style = "" if group.override or group.value == key.live else "warn"
        still = "" if group.value == key.live or group.override else " still"
        said = f"{len(group.nodes)} of {agents} agents{still} run with {_shown(group.value)}"
        out.line("  ", (f"{said}{_where(group, agents)}", style))


def _where(group: AgentGroup, agents: int) -> str:
    if len(group.nodes) == agents:
        return ""
    more = f" and {len(group.nodes) - _NAMED} more" if len(group.nodes) > _NAMED else ""
    meant = ", as their node's own configuration says" if group.override else ""
    return f": {', '.join(group.nodes[:_NAMED])}{more}{meant}"


def _shown(value: str | None) -> str:
    return "(not set)" if value is None else f'"{value}"'
