"""Measure the cluster's network: TCP throughput, request rate and latency between pods, beside host to host.

Makes pods with iperf3 and a small prober on two nodes, measures one path after the other for `--duration`, in both
families, and takes everything away again, also after Ctrl-C. That is traffic at full speed: choose the hour. With
`--compare` the figures stand beside those of an earlier run's JSON; with `--fail-below`, a throughput or request rate
below that share of the base's fails, and so does a latency (p50, p99) that is longer in the same proportion. So
does what the base has and could not be measured now, unless `--ip-families` or `--single-node` left it out.

Exit codes: 0 measured, 1 a measurement failed or is below the base, 4 the time was up, 7 measured, but the pods of the
test could not be taken away, or a report not be written.

Examples:
  ciliumctl connectivity perf
  ciliumctl connectivity perf --duration 10s --streams 4 -o json > base.json
  ciliumctl connectivity perf --compare base.json --fail-below 90%
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.commands.connectivity import _choosing as choosing
from ciliumctl.cli.commands.connectivity._measured import render
from ciliumctl.cli.options import duration as seconds
from ciliumctl.cli.options import option
from ciliumctl.cli.output import envelope

KIND = "ConnectivityPerf"
#: Seconds: twelve times that long is less than the two hours that pods of a test may be there.
_LONGEST = 500


def command(
    ctx: typer.Context,
    *,
    duration: Annotated[
        float,
        seconds("--duration", help="How long each of up to twelve measurements takes, whole seconds (default: 4s)"),
    ] = 4.0,
    streams: Annotated[
        int,
        option("--streams", metavar="N", min=1, max=128, help="TCP connections at once for throughput (default: 1)"),
    ] = 1,
    compare: Annotated[
        str, option("--compare", metavar="FILE", help="JSON of an earlier run to show the figures beside")
    ] = "",
    fail_below: Annotated[
        str,
        option("--fail-below", metavar="PERCENT", help="Exit 1 when a figure is worse than this share of the base's"),
    ] = "",
    single_node: choosing.SingleNode = False,
    ip_families: choosing.Families = "",
    image: Annotated[
        list[str] | None, option("--image", metavar="NAME=REF", help="Another image with iperf3 and python3: tools=REF")
    ] = None,
    registry: choosing.Registry = "",
    image_pull_secret: choosing.PullSecret = "",
    node_selector: choosing.NodeSelector = None,
    toleration: choosing.Toleration = None,
    report: reporting.Reports = None,
) -> None:
    """Measure, and say what was measured."""
    from ciliumctl.connectivity import not_begun, perf
    from ciliumctl.errors import CiliumctlError

    session = session_of(ctx)
    session.allow("name")
    reports = reporting.wanted(report)
    settings = choosing.settings(
        images=image,
        registry=registry,
        pull_secret=image_pull_secret,
        node_selector=node_selector,
        tolerations=toleration,
        single_node=single_node,
        families=ip_families,
        external="",
    )
    wanted = perf.Wanted(
        owner=session.holder("connectivity perf").who.rpartition(" (")[0],
        namespace=session.settings.namespace,
        duration=_whole(duration),
        streams=streams,
        settings=settings,
        compare=Path(compare) if compare else None,
        fail_below=_limit(fail_below, compare),
    )
    session.deadline(wanted.longest)
    publish = partial(reporting.publish, reports, perf.TITLE)
    try:
        result = perf.run(session.kube, wanted, session.report)
    except CiliumctlError as error:
        reporting.tell(session, publish(not_begun(error), envelope(KIND, None, error), session.environ))
        raise
    incomplete = perf.incomplete(result, session.kube)
    lost = publish(perf.suites(result), envelope(KIND, result, incomplete), session.environ, perf.remarks(result))
    reporting.end(session, result, render, incomplete, lost)


def _whole(duration: float) -> int:
    """iperf3 knows whole seconds only."""
    from ciliumctl.errors import UsageError

    if not 1 <= duration <= _LONGEST or duration != int(duration):
        raise UsageError(
            f"`--duration` cannot be {duration:g} s",
            hint=f"give whole seconds from 1 to {_LONGEST}, such as `--duration 10s`",
        )
    return int(duration)


def _limit(fail_below: str, compare: str) -> float | None:
    from ciliumctl.connectivity import perf
    from ciliumctl.errors import UsageError

    if fail_below and not compare:
        raise UsageError("`--fail-below` needs something to compare with", hint="add `--compare FILE`")
    return perf.percent(fail_below) if fail_below else None
