"""Show how long nodes need to reach each other, and which cannot.

Asks every agent what it knows: each probes all other nodes by itself, once a minute. Nothing is made, nothing is
sent; one request, and a command in each agent, 32 at a time. `--probe` lets them probe now. `--active` needs no
Cilium: it makes a pod on each of `--max-nodes` nodes, measures TCP from each to each, and takes them away again.

Up to twenty nodes are shown as a matrix, more by their slowest pairs. Times are in milliseconds.

Exit codes: 0 all reach each other, 1 a pair does not, 7 some nodes could not be asked.

Examples:
  ciliumctl debug latency
  ciliumctl debug latency --path pod --protocol http
  ciliumctl debug latency --nodes node-1,node-2 --probe
  ciliumctl debug latency --active -o json | jq '.data.pairs[]'
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.connectivity import _choosing as choosing
from ciliumctl.cli.commands.debug._latencies import render
from ciliumctl.cli.options import choice, listed, option

KIND = "Latency"
_SECONDS = 300.0


def command(
    ctx: typer.Context,
    *,
    nodes: Annotated[str, option("--nodes", metavar="LIST", help="Only from these nodes (default: all)")] = "",
    path: Annotated[
        str, choice("node", "pod", flags=("--path",), help="To the other node (the default), or into its pod network")
    ] = "node",
    protocol: Annotated[
        str, choice("icmp", "http", flags=("--protocol",), help="Which probe is shown (default: icmp)")
    ] = "icmp",
    probe: Annotated[bool, option("--probe", help="Have the agents probe now, not tell what they know")] = False,
    active: Annotated[bool, option("--active", help="Measure from pod to pod, with pods made for it")] = False,
    max_nodes: Annotated[
        int, option("--max-nodes", metavar="N", min=2, max=100, help="Most nodes of --active (default: 10)")
    ] = 10,
    worst: Annotated[int, option("--worst", metavar="N", min=0, max=1000, help="Slowest pairs (default: 10)")] = 10,
    image: Annotated[
        list[str] | None, option("--image", metavar="NAME=REF", help="Another image with python3 in it: tools=REF")
    ] = None,
    registry: choosing.Registry = "",
    image_pull_secret: choosing.PullSecret = "",
    node_selector: choosing.NodeSelector = None,
    toleration: choosing.Toleration = None,
) -> None:
    """Ask or measure, and show the matrix."""
    from ciliumctl import latency

    session = session_of(ctx)
    session.allow("name", "wide")
    named = listed(nodes)
    session.deadline(_SECONDS)
    show = render(wide=session.settings.output == "wide")
    if not active:
        _only_active(image, registry, image_pull_secret, node_selector, toleration)
        way = latency.way(path, protocol)
        wanted = latency.Wanted(namespace=session.settings.namespace, nodes=named, way=way, probe=probe, worst=worst)
        result = latency.look(session.kube, wanted, session.report)
    else:
        settings = choosing.settings(
            images=image,
            registry=registry,
            pull_secret=image_pull_secret,
            node_selector=node_selector,
            tolerations=toleration,
            single_node=False,
            families="",
            external="",
        )
        how = latency.Measured(owner=session.who, nodes=named, most=max_nodes, worst=worst, settings=settings)
        result = latency.measure(session.kube, how, session.report)
    failed = latency.incomplete(result)
    if failed is not None:
        session.fail(failed, result, show)
    session.finish(result, show)


def _only_active(*given: object) -> None:
    from ciliumctl.errors import UsageError

    if any(given):
        raise UsageError("pods are only made with `--active`", hint="add `--active`, or leave the pods' options out")
