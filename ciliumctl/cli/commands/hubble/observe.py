"""Show flows: what the agents' Hubble has seen, of all nodes in the order of time.

Needs no relay, no certificate and no forwarded port: `hubble observe` runs in the agents concerned, as `kubectl exec`
would run it. Filters have the hubble command's names and meaning. After the command's name `-n` is the flows'
namespace; Cilium's own stands before it, `ciliumctl -n NAME hubble observe`.

`--last N` are the newest N of all nodes together. `-o` has compact (the default), table, dict, jsonpb (Hubble's own
objects, one a line), and json and yaml, ciliumctl's envelope around them.

Exit codes: 0 shown, or followed until Ctrl-C; 7 some node did not answer; 5 none did.

Examples:
  ciliumctl hubble observe --last 50
  ciliumctl hubble observe -n shop --verdict DROPPED -f
  ciliumctl hubble observe --from-pod shop/web --to-port 5432 --since 10m
  ciliumctl hubble observe --all -o jsonpb > flows.json
  ciliumctl hubble observe --input-file flows.json --not --protocol dns
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.hubble import _filtering
from ciliumctl.cli.commands.hubble._filtering import FilterOptions, ReachOptions
from ciliumctl.cli.options import choice, option
from ciliumctl.cli.output import Writer
from ciliumctl.cli.settings import FLOW_FORMATS

if TYPE_CHECKING:
    from ciliumctl.hubble.observing import ObservePlan

KIND = "HubbleFlows"
ARGUMENTS = _filtering.ARGUMENTS
_TIMES = ("StampMilli", "YearMonthDay", "YearMonthDayHour", "YearMonthDayHourMinute", "RFC3339", "RFC3339Milli")


def command(
    ctx: typer.Context,
    *,
    last: Annotated[int, option("--last", metavar="N", min=0, help="The newest N of all nodes (default: 20)")] = 0,
    first: Annotated[int, option("--first", metavar="N", min=0, help="The oldest N of all nodes")] = 0,
    all: Annotated[bool, option("--all", help="All that the agents have, some 4,000 each")] = False,
    since: Annotated[str, option("--since", metavar="TIME", help="From then on: 90s, 2026-01-31T12:00:00Z")] = "",
    until: Annotated[str, option("--until", metavar="TIME", help="Up to then")] = "",
    follow: Annotated[bool, option("--follow", "-f", help="Go on with what comes, until Ctrl-C or --timeout")] = False,
    filters: FilterOptions,
    reach: ReachOptions,
    via: Annotated[str, choice("agents", "relay", flags=("--via",), help="Whom to ask (default: agents)")] = "agents",
    input_file: Annotated[
        str, option("--input-file", metavar="FILE|-", help="Flows of a file of `-o jsonpb`; asks no cluster")
    ] = "",
    explain: Annotated[bool, option("--explain", help="Show filter, nodes and commands; ask no agent")] = False,
    time_format: Annotated[
        str, choice(*_TIMES, "RFC3339Micro", "RFC3339Nano", "RFC1123Z", flags=("--time-format",), help="How times look")
    ] = "StampMilli",
    print_node_name: Annotated[bool, option("--print-node-name", help="Show which node saw it")] = False,
    numeric: Annotated[bool, option("--numeric", help="Show addresses, not names")] = False,
    ip_translation: Annotated[
        bool, option("--ip-translation/--no-ip-translation", help="Show names for addresses (default: yes)")
    ] = True,
) -> None:
    """Check, ask, show."""
    from ciliumctl.cli.commands.hubble import _flows, _observing
    from ciliumctl.hubble.observing import Question, Window

    session = session_of(ctx)
    session.allow(*FLOW_FORMATS)
    output = session.settings.output
    if output == "table" and "output" not in session.settings.given:
        output = "compact"
    form = _flows.Form(
        output=output, time_format=time_format, node=print_node_name, translate=ip_translation and not numeric
    )
    window = Window(last=last, first=first, all=all, since=since, until=until, follow=follow).checked()
    question = Question(filters=filters.filters(), window=window, reach=reach.reach(session))
    _observing.run(session, question, form, via=via, input_file=input_file, explain=explain, render=render)


def render(out: Writer, result: ObservePlan) -> None:
    """The filter as Hubble understands it, the nodes, and the command."""
    for word, filters in (("a flow fits when", result.allow), ("and not when", result.deny)):
        for number, one in enumerate(filters):
            said = " and ".join(f"{name} is {_either(values)}" for name, values in one.items())
            out.line((f"{word if not number else 'or':>17}: ", "head"), said)
    for text in result.raw:
        out.line((f"{'raw filter':>17}: ", "head"), json.dumps(json.loads(text)))
    if not (result.allow or result.deny or result.raw):
        out.line((f"{'filter':>17}: ", "head"), "none: every flow fits")
    why = f"{result.why}" if result.narrowed != "no" else "all of them"
    out.line((f"{'nodes':>17}: ", "head"), f"{len(result.nodes)} of {result.all_nodes} ({why}): ", _some(result.nodes))
    for word, names in (("not ready", result.unready), ("left out", result.left_out)):
        if names:
            out.line((f"{word:>17}: ", "warn"), _some(names))
    out.line((f"{'in each agent':>17}: ", "head"), shlex.join(result.command))
    out.line((f"{'requests':>17}: ", "head"), f"an exec for each of {len(result.nodes)}, {result.parallel} at a time")


def _either(values: tuple[object, ...]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _some(names: tuple[str, ...], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
