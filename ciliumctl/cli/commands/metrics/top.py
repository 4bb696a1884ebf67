"""Show what the agents' metrics say is the matter: drops, policies, full maps, refused API calls and more.

No Prometheus is needed. Each agent is read twice, so that counters become rates; by its metrics' port where one is
open, else by `cilium-dbg metrics list` in its pod. In a large cluster 20 agents are read, those that are not ready
first, and the output says so. Rows at 0 are left out; what deserves attention has a sign in front.

Exit codes: 0 read, 7 some agents could not be read.

Examples:
  ciliumctl metrics top
  ciliumctl metrics top drops maps --interval 10s
  ciliumctl metrics top drops --by node --nodes all
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _topics
from ciliumctl.cli.options import argument, choice, duration, listed, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.metrics.top import MetricsTop

KIND = "MetricsTop"
_SECONDS = 120.0


def command(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, argument(metavar="[TOPIC...]", help="Only these, such as drops or maps (default: all)")
    ] = None,
    *,
    by: Annotated[
        str,
        choice("label", "node", flags=("--by",), help="What rows stand for: label sums nodes up (default), or node"),
    ] = "label",
    nodes: Annotated[
        str, option("--nodes", "--node", metavar="LIST|all", help="Nodes whose agents are read (default: 20 of them)")
    ] = "",
    interval: Annotated[
        float, duration("--interval", help="Time between the two reads (default: 5s); 0 reads once: totals since start")
    ] = 5.0,
    limit: Annotated[
        int, option("--limit", metavar="N", min=0, help="Most rows of a topic (default: 10; 0: all)")
    ] = 10,
) -> None:
    """Choose, read, sum up."""
    from ciliumctl.metrics import top, topics

    session = session_of(ctx)
    session.allow("wide")
    wanted = top.Wanted(
        namespace=session.settings.namespace,
        topics=topics.chosen(topic or ()),
        nodes=listed(nodes),
        interval=interval,
        by_node=by == "node",
        most=limit,
    )
    session.deadline(_SECONDS + 2 * interval)
    result = top.look(session.kube, wanted, session.report)
    failed = top.partial_error(result)
    if failed is not None:
        session.fail(failed, result, render)
    session.finish(result, render)


def render(out: Writer, result: MetricsTop) -> None:
    """A table for each topic that has something to say; one line for the others."""
    how = f"over {result.seconds:.1f} s" if result.seconds else "read once"
    many = (
        f"{len(result.nodes)} of {result.all_nodes}" if len(result.nodes) < result.all_nodes else f"{result.all_nodes}"
    )
    out.line(("Agents ", "head"), f"{many}, {how}")
    if len(result.nodes) < result.all_nodes:
        out.hint("`--nodes all` reads every agent")
    for topic in result.topics:
        if topic.rows:
            _topics.show(out, topic)
    quiet = [topic.name for topic in result.topics if not topic.rows and topic.metric]
    absent = [topic.name for topic in result.topics if not topic.metric]
    if quiet or absent:
        out.line()
    if quiet:
        out.line(("at 0: ", "good"), ", ".join(quiet))
    if absent:
        out.line(("no agent reports: ", "dim"), ", ".join(absent))
