"""Write a network policy from a template: default deny, DNS, names, read-only APIs, monitoring and more.

It goes to standard output, for a file or for `kubectl apply -f -`. `--apply` applies it after asking: what it isolates
is told first.

Examples:
  ciliumctl policy new --list
  ciliumctl policy new default-deny -n shop
  ciliumctl policy new fqdn-allow-list -n shop --set app=app=web --set names=example.com,*.example.com
  ciliumctl policy new allow-dns -n shop --apply
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.policies.patterns import New, Patterns

KIND = "NewPolicy"


def command(
    ctx: typer.Context,
    template: Annotated[str, argument(metavar="[TEMPLATE]", help="One of `--list`")] = "",
    *,
    list: Annotated[bool, option("--list", help="List the templates, and what each has to be told")] = False,
    set: Annotated[list[str] | None, option("--set", metavar="KEY=VALUE", help="Fill in; repeatable")] = None,
    namespace: Annotated[
        str,
        option("--namespace", "-n", metavar="NAME", help="Namespace of the policy (with --apply: the context's)"),
    ] = "",
    name: Annotated[str, option("--name", metavar="NAME", help="Name of the policy (default: the template's)")] = "",
    apply: Annotated[bool, option("--apply", help="Apply it to the cluster, after asking")] = False,
) -> None:
    """List, make, apply."""
    from ciliumctl.policies import applying, patterns

    session = session_of(ctx)
    if list:
        session.allow("name")
        session.finish(patterns.listed(), render_list)
    session.allow()
    if not template:
        raise UsageError("no template is named", hint="`ciliumctl policy new --list` lists them")
    made = patterns.make(template, tuple(set or ()), namespace=namespace, called=name)
    if not apply:
        session.finish(made, render)
    session.deadline(60.0)
    wanted = applying.prepared(session.kube, made)
    session.confirm(
        f"{wanted.effect}. Apply {wanted.ref} to {session.kube.context}?",
        refusal=f"{wanted.ref} changes what pods may talk to: {wanted.effect}",
        hint="add `--yes`, or leave `--apply` out to see it",
    )
    session.finish(applying.apply(session.kube, wanted), render_applied)


def render(out: Writer, result: New) -> None:
    """The policy as YAML."""
    if result.needs:
        out.line(f"# needs: {result.needs}")
    out.text(result.text)


def render_applied(out: Writer, result: New) -> None:
    """What was applied."""
    from ciliumctl.policies import reading

    out.line(("applied: ", "good"), str(reading.ref_of(result.policy)))


def render_list(out: Writer, result: Patterns) -> None:
    """A line each, with what has to be filled in."""
    rows = [
        (
            (one.name, "head"),
            one.description,
            (" ".join(s.name if s.default is None else f"[{s.name}]" for s in one.settings), "dim"),
        )
        for one in result.templates
    ]
    out.table(("template", "what for", "--set"), rows)
