"""Explain one value of the chart: what it is, its type and default, since when, and what changes with it.

What changes is rendered, not guessed: with the default and with another value, or with that of --value. The values that
switch it on (the `enabled` beside and above it) are set for that. No cluster is asked. A map lists what is below it.

Examples:
  ciliumctl values explain hubble.relay.replicas
  ciliumctl values explain hubble --version 1.20.0
  ciliumctl values explain routingMode --value native --chart cilium-1.20.0.tgz
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.options import ChartOptions, argument, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.values.effects import Effect, ObjectChange
    from ciliumctl.values.explaining import Explained

KIND = "ValueExplanation"


def command(
    ctx: typer.Context,
    *,
    key: Annotated[str, argument(metavar="KEY", help="The value's path, such as hubble.relay.enabled")],
    which: ChartOptions,
    value: Annotated[
        str | None, option("--value", metavar="VALUE", help="What to try instead of the default, as YAML")
    ] = None,
    render: Annotated[
        bool, option("--render/--no-render", help="Render it to see what changes, with helm (default: yes)")
    ] = True,
    kubernetes_version: Annotated[
        str, option("--kubernetes-version", metavar="VERSION", help="What it is rendered for (default: 1.34.0)")
    ] = "1.34.0",
) -> None:
    """Look it up and try it."""
    from ciliumctl.cli.commands.values._asking import means
    from ciliumctl.values import explaining
    from ciliumctl.values.lint import running

    session = session_of(ctx)
    session.allow()
    session.deadline(120.0)
    tried: dict[str, Any] = {} if value is None else {"value": _parsed(value)}
    how = means(session, render=render, needed=False)
    result = explaining.explain(
        key,
        running.chart_of(_installing.request(which), how),
        helm=how.helm,
        kube_version=kubernetes_version,
        **tried,
    )
    session.finish(result, show)


def _parsed(text: str) -> Any:
    import yaml

    from ciliumctl import yaml_files
    from ciliumctl.errors import UsageError

    try:
        return yaml_files.parse(text)
    except yaml.YAMLError as error:
        raise UsageError(
            f"`--value {text}` is not YAML: {yaml_files.problem(error)}", hint="put it in quotes"
        ) from error


def show(out: Writer, result: Explained) -> None:
    """What is known, in a few lines; a map as a table."""
    if result.below:
        if result.about:
            out.line(result.about)
        rows = [(below.key, below.type, json.dumps(below.default), below.about) for below in result.below]
        out.table(("key", "type", "default", "about"), rows)
        return
    out.line((result.key, "head"))
    if result.about:
        out.line("  ", result.about)
    known = [("type", result.type or "any"), ("default", json.dumps(result.default)), ("since", _since(result))]
    known += [("note", note) for note in result.notes]
    out.table(("", ""), [row for row in known if row[1]], indent="  ")
    if result.effect is not None:
        _effect(out, result.effect)


def _since(result: Explained) -> str:
    if result.source == "read":
        return "only the templates have it: it does not stand in values.yaml"
    if not result.since:
        return ""
    return f"{result.since} has it" + (f", {result.before} does not" if result.before else ", as the oldest looked at")


def _effect(out: Writer, effect: Effect) -> None:
    tried = json.dumps(effect.tried)
    besides = f" (with {', '.join(f'`{key}`' for key in effect.besides)} on)" if effect.besides else ""
    if effect.refused:
        out.line(f"with {tried}{besides}: {effect.refused}")
    elif not effect.objects:
        out.line(f"with {tried}{besides} nothing changes by itself")
    else:
        out.line(f"with {tried}{besides} this changes:")
        for change in effect.objects:
            _object(out, change)
    if effect.impact:
        out.line("impact: ", effect.impact)


def _object(out: Writer, change: ObjectChange) -> None:
    where = f"{change.namespace}/" if change.namespace else ""
    out.line("  ", f"{change.kind} {where}{change.name}: {change.what}")
    for name in change.fields:
        out.line("    ", name)
    if change.more:
        out.line("    ", f"and {change.more} more")
