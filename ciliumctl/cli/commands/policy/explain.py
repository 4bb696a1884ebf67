"""Say who may talk to a pod and to whom it may talk, and which rule decides.

`--to` and `--from` ask about single connections: another pod, a node, an address, a name in DNS, or what Cilium has a
word for (`world`, `host`, `remote-node`, `kube-apiserver`). The port is the one that the pod listens on, behind any
service. The answer comes from the objects; what the pod's agent enforces is put beside it.

What objects do not tell is said so: which addresses a name has, and what rules above the connection (HTTP, DNS) decide.

Exit codes: 0; with `--to` or `--from` 1 when something is denied or not known.

Examples:
  ciliumctl policy explain pod/web-1 -n shop
  ciliumctl policy explain pod/web-1 -n shop --from pod/bank/client --port 8080
  ciliumctl policy explain pod/web-1 -n shop --to world --to kube-apiserver --port 443
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.policy import _choosing as choosing
from ciliumctl.cli.options import PodNamespace, argument, choice, option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.policies.explaining import Connection, Explanation
    from ciliumctl.policies.model import Protocol, Verdict

KIND = "PolicyExplanation"
_STYLES = {"allowed": "good", "denied": "bad", "audited": "warn", "unknown": "warn"}


def command(
    ctx: typer.Context,
    pod: Annotated[str, argument(metavar="POD", help="`pod/NAME` or `pod/NAMESPACE/NAME`")],
    *,
    to: Annotated[list[str] | None, option("--to", metavar="END", help="A destination; repeatable")] = None,
    coming: Annotated[
        list[str] | None, option("--from", "--coming", metavar="END", help="A source; repeatable")
    ] = None,
    port: Annotated[
        int | None, option("--port", metavar="PORT", min=0, max=65535, help="Port, or type of an ICMP message")
    ] = None,
    protocol: Annotated[
        str, choice("TCP", "UDP", "SCTP", "ICMP", "ICMPv6", flags=("--protocol",), help="Protocol (default: TCP)")
    ] = "TCP",
    namespace: PodNamespace = "",
    agent: Annotated[
        bool, option("--agent/--no-agent", help="Ask the pod's agent what it enforces (default: yes)")
    ] = True,
) -> None:
    """Explain."""
    from ciliumctl.policies import explaining

    session = session_of(ctx)
    session.allow("wide")
    session.deadline(120.0)
    place, name = choosing.pod(pod, namespace or session.kube.namespace)
    asked = explaining.Question(
        namespace=place,
        pod=name,
        to=tuple(to or ()),
        coming=tuple(coming or ()),
        port=port,
        protocol=cast("Protocol", protocol),
    )
    session.finish(explaining.explain(session.kube, session.settings.namespace, asked, ask_agent=agent), render)


def render(out: Writer, result: Explanation) -> None:
    """The connections that were asked about, or all rules by direction; then what the agent says."""
    for one in result.connections:
        _connection(out, one)
    if not result.connections:
        _rules(out, result)
    if result.mode != "default":
        out.line(("⚠ ", "warn"), f"`policyEnforcementMode` is `{result.mode}`")
    if result.agent.problem:
        out.line(("agent: ", "dim"), f"not compared: {result.agent.problem}")
    elif result.agent.enforcing:
        fits: Cell = ("as the policies say", "good") if result.agent.agrees else ("not what the policies say", "bad")
        out.line(("agent: ", "dim"), f"enforces {result.agent.enforcing}, ", fits)
    for limit in result.limits:
        out.line(("not known: ", "warn"), limit)


def _connection(out: Writer, one: Connection) -> None:
    port = f" {one.port}" if one.port else ""
    out.line((one.answer, _STYLES[one.answer]), ": ", (f"{one.source} → {one.destination}{port}", "head"))
    _verdict(out, "out of the source", one.passage.egress)
    _verdict(out, "into the destination", one.passage.ingress)


def _verdict(out: Writer, where: str, found: Verdict) -> None:
    out.line(f"    {where}: ", (found.answer, _STYLES[found.answer]), f": {found.why}")
    for limit in found.limits:
        out.line(("        not known: ", "warn"), limit)


def _rules(out: Writer, result: Explanation) -> None:
    for isolation in result.isolation:
        way = "into" if isolation.direction == "ingress" else "out of"
        by = f" by {', '.join(isolation.policies)}" if isolation.policies else ""
        state: Cell = (f"isolated{by}: only what is allowed", "warn") if isolation.isolated else ("open", "good")
        out.line((f"{way} {result.pod}: ", "head"), state)
        rows = []
        for rule in result.rules:
            if rule.direction != isolation.direction:
                continue
            more = f" and {rule.count - len(rule.pods)} more" if rule.count > len(rule.pods) else ""
            pods = f"{', '.join(rule.pods)}{more}" if rule.pods else "-"
            ports = f"{rule.ports or 'every port'}{f' with {rule.above}' if rule.above else ''}"
            effect: Cell = (rule.effect, "bad" if rule.effect == "denies" else "good")
            rows.append((effect, rule.peers, ports, pods, (f"{rule.policy}, {rule.path}", "dim")))
        if rows:
            out.table(("", "peers", "ports", "pods now", "rule"), rows, indent="    ")
