"""Show the logs of Cilium's parts, of many pods at once, in the order of their times.

COMPONENT is agent, operator, envoy, relay, ui or clustermesh; without one all of them are shown. Of each log the last
10 lines are, as with kubectl; all of it when --pod, --since, --since-time, --previous, --grep or --level ask for
something in particular. --tail counts before the lines are picked.

--level knows the formats that Cilium's parts write, as text and as JSON; a line without a level has that of the line
before it. --grep is a regular expression of Python: `(?i)` in front lets case count for nothing.

--follow goes on until Ctrl-C. A pod that is replaced is followed in its successor, a connection that is cut is taken up
again without a gap or a repeat. -o json writes one envelope a line, for `jq`.

Exit codes: 0 all was read, 7 some logs could not be (standard error says which and why).

Examples:
  ciliumctl logs
  ciliumctl logs agent --node node-1 --since 1h --level warning
  ciliumctl logs agent operator --follow --grep 'endpoint|identity'
  ciliumctl logs agent --pod cilium-x7k2p --previous
  ciliumctl logs -o json --since 10m | jq -r 'select(.data.level == "error") | .data.message'
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, choice, duration, option, size

KIND = "LogLine"
_SECONDS = 300.0
_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")
_TAIL = 10


def command(
    ctx: typer.Context,
    components: Annotated[
        list[str] | None, argument(metavar="[COMPONENT]...", help="Parts of Cilium (default: all)")
    ] = None,
    *,
    node: Annotated[list[str] | None, option("--node", metavar="NAME", help="Only on this node; repeatable")] = None,
    pod: Annotated[list[str] | None, option("--pod", metavar="NAME", help="Only of this pod; repeatable")] = None,
    container: Annotated[
        str, option("--container", "-c", metavar="NAME", help="This container instead of the main one")
    ] = "",
    all_containers: Annotated[bool, option("--all-containers", help="All containers, init containers too")] = False,
    since: Annotated[float, duration("--since", help="Only what is not older, such as 2h")] = 0.0,
    since_time: Annotated[
        str, option("--since-time", metavar="TIME", help="Only what is later, such as 2026-01-02T15:04:05Z")
    ] = "",
    tail: Annotated[int | None, option("--tail", metavar="N", help="Last lines of each log; -1 for all")] = None,
    follow: Annotated[bool, option("--follow", "-f", help="Go on showing what comes, until Ctrl-C")] = False,
    previous: Annotated[bool, option("--previous", "-p", help="Of the run before the last restart")] = False,
    grep: Annotated[str, option("--grep", metavar="REGEX", help="Only lines in which this is found")] = "",
    level: Annotated[str | None, choice(*_LEVELS, flags=("--level",), help="Only this level and what is worse")] = None,
    timestamps: Annotated[bool, option("--timestamps", help="The time, in UTC, in front of each line")] = False,
    prefix: Annotated[
        bool | None, option("--prefix/--no-prefix", help="Node and pod in front (default: with several logs)")
    ] = None,
    limit_bytes: Annotated[
        int | None, size("--limit-bytes", help="Most of each log, such as 5M, from its first line")
    ] = None,
    parallel: Annotated[
        int, option("--parallel", metavar="N", min=1, max=256, help="Logs that are read at once (default: 32)")
    ] = 32,
    max_log_requests: Annotated[
        int, option("--max-log-requests", metavar="N", min=1, help="Logs that are followed at most (default: 128)")
    ] = 128,
) -> None:
    """Choose, read or follow, write."""
    from ciliumctl import logs
    from ciliumctl.cli.commands import _tailing
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    if follow and previous:
        raise UsageError("a run that is over cannot be followed", hint="use --follow or --previous, not both")
    if since and since_time:
        raise UsageError("`--since` and `--since-time` say two beginnings", hint="use one of the two")
    sieve = logs.Sieve(grep=logs.pattern(grep), level=level or "")
    narrow = bool(pod or since or since_time or previous or grep or level)
    part = logs.Part(
        tail=tail if tail is not None else -1 if narrow else _TAIL,
        since=since,
        since_time=_tailing.moment(since_time),
        previous=previous,
        limit=limit_bytes or 0,
    )
    wanted = logs.Wanted(
        namespace=session.settings.namespace,
        components=tuple(components or ()),
        nodes=tuple(node or ()),
        pods=tuple(pod or ()),
        container=container,
        every_container=all_containers,
        restarted=previous,
    )
    session.deadline(0 if follow else _SECONDS)
    sources = logs.choose(session.kube, wanted)
    if not sources:
        session.report.note("no container that was asked for has been restarted: there is no run before")
    show = _tailing.Shown(timestamps=timestamps, prefix=len(sources) > 1 if prefix is None else prefix)
    if follow:
        _tailing.follow(session, wanted, sources, part, sieve, show, most=max_log_requests)
    _tailing.read(session, sources, part, sieve, show, parallel=parallel)
