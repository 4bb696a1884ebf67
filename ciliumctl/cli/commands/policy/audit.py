"""Let pods through what their policies deny, and say what that was; or stop letting it through.

`on` and `off` switch the endpoints of the pods that are named, in their agents. `on` asks first: while it is on,
nothing that policies deny is kept from these pods. It is over by itself when the pod is replaced or the agent restarts.
`status` says which pods are in audit mode, and what Hubble saw pass that would have been denied.

For the whole cluster it is the Helm value `policyAuditMode`: `ciliumctl config set policyAuditMode=true`.

Exit codes: 0; 7 when some agents did not answer.

Examples:
  ciliumctl policy audit on pod/web-1 -n shop
  ciliumctl policy audit status
  ciliumctl policy audit off pod/web-1 -n shop
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands.policy import _choosing as choosing
from ciliumctl.cli.options import PodNamespace, argument
from ciliumctl.cli.output import Writer
from ciliumctl.cli.settings import Choice
from ciliumctl.errors import Partial, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.policies.auditing import Audit

KIND = "PolicyAudit"


def command(
    ctx: typer.Context,
    what: Annotated[
        str, argument(metavar="status|on|off", help="What to do", click_type=Choice("status", "on", "off"))
    ],
    pods: Annotated[list[str] | None, argument(metavar="[POD]...", help="`pod/NAME` or `pod/NAMESPACE/NAME`")] = None,
    *,
    namespace: PodNamespace = "",
) -> None:
    """Ask, switch, tell."""
    from ciliumctl.policies import auditing

    session = session_of(ctx)
    session.allow("name")
    session.deadline(180.0)
    named = [choosing.pod(word, namespace or session.kube.namespace) for word in pods or ()]
    if what == "status":
        _status(session, named, namespace)
    if not named:
        raise UsageError(f"`policy audit {what}` needs a pod", hint="write `pod/NAME`, and `-n NAMESPACE`")
    found = auditing.status(session.kube, session.settings.namespace, choosing.nodes_of(session.kube, named))
    wanted = auditing.chosen(found, named)
    if what == "on" and any(not one.audit for one in wanted):
        names = ", ".join(f"{one.namespace}/{one.pod}" for one in wanted if not one.audit)
        session.confirm(
            f"Policies of {names} deny nothing while audit mode is on. Switch it on?",
            refusal=f"audit mode opens {names} to everybody",
        )
    try:
        result = auditing.switch(session.kube, session.settings.namespace, found, wanted, on=what == "on")
    except Partial as error:
        session.fail(error, error.result, render)  # type: ignore[arg-type]  # what `switch` reached
    session.finish(result, render)


def _status(session: Session, named: list[tuple[str, str]], namespace: str) -> None:
    from ciliumctl.policies import auditing

    nodes = choosing.nodes_of(session.kube, named) if named else ()
    found = auditing.status(session.kube, session.settings.namespace, nodes)
    shown = auditing.chosen(found, named) if named else [one for one in found.endpoints if one.audit]
    shown = [one for one in shown if not namespace or one.namespace == namespace or named]
    told = auditing.watched(session.kube, session.settings.namespace, [one for one in shown if one.audit])
    result = replace(found, endpoints=(*told, *(one for one in shown if not one.audit)))
    if found.failed:
        session.fail(auditing.partial_error(result), result, render)
    session.finish(result, render)


def render(out: Writer, result: Audit) -> None:
    """The pods and their switches; below each what it let through."""
    if result.everywhere:
        out.line(("⚠ ", "warn"), "`policyAuditMode` is on: what policies deny is let through everywhere")
    if not result.endpoints and not result.failed:
        out.line("no pod is in audit mode")
    for one in result.endpoints:
        changed = " (changed)" if f"{one.namespace}/{one.pod}" in result.changed else ""
        state = ("audit mode is on", "warn") if one.audit else ("policies are enforced", "good")
        out.line((f"{one.namespace}/{one.pod}", "head"), f" on {one.node}: ", state, changed)
        for seen in one.passed:
            out.line(f"    {seen.direction}: {seen.source} → {seen.destination} {seen.port}, {seen.count} times")
        if one.unseen:
            out.line("    ", ("what would have been denied is not known: ", "warn"), one.unseen)
        elif one.audit and not one.passed and not changed:
            out.line(("    nothing was seen that would have been denied", "dim"))
