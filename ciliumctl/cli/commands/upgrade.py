"""Upgrade Cilium, keeping its values and taking the new chart's defaults.

The release's own values stay; what is given here is laid over them, in Helm's order: presets, --values files,
--set-json, --set, --set-string, --set-file. `--reset-values` starts from the chart's own instead.

Exit codes: 0 upgraded or unchanged, 1 not healthy, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl upgrade --version 1.16.19
  ciliumctl upgrade --version 1.16 -f values.yaml --yes --timeout 15m
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.options import (
    Chart,
    Presets,
    Repository,
    Set,
    SetFile,
    SetJson,
    SetString,
    ValuesFiles,
    Version,
    duration,
    option,
)
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.change import Changed

KIND = "Change"


def command(
    ctx: typer.Context,
    *,
    version: Version = "",
    chart: Chart = "",
    repository: Repository = defaults.REPOSITORY,
    values: ValuesFiles = None,
    set: Set = None,
    set_string: SetString = None,
    set_file: SetFile = None,
    set_json: SetJson = None,
    preset: Presets = None,
    reset_values: Annotated[
        bool, option("--reset-values", help="Start from the chart's own values instead of the release's")
    ] = False,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
) -> None:
    """Find out what would change, ask, change it."""
    from ciliumctl import change

    session = session_of(ctx)
    session.allow()
    deadline = session.deadline(wait_duration)
    wanted = _installing.wanted(
        session,
        version=version,
        chart=chart,
        repository=repository,
        values=values,
        flags=(set, set_string, set_file, set_json),
        presets=preset,
        detect=False,
        translate=False,
    )
    means = _installing.means(session)
    where = _installing.where(session)
    with _installing.scratch() as folder:
        found = change.installed(session.kube, where, "upgrade it")
        target = change.towards(found, wanted, means, folder, reset=reset_values)
        if not target.unchanged:
            what = f"Cilium {found.chart_version} to {target.chart.version} on `{session.kube.context}`"
            session.confirm(f"Upgrade {what}?", refusal="an upgrade changes a running network")
        how = change.How(
            helm=means.helm,
            holder=session.holder("upgrade"),
            where=where,
            deadline=deadline,
            report=session.report,
            operation="upgrade",
            wait=wait,
        )
        result = change.perform(session.kube, target, how)
    late = change.late(result, deadline)
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait else "status --wait")


def render(out: Writer, result: Changed) -> None:
    """Say what there is now, and what to do next."""
    where = f"namespace {result.namespace} of {result.context}"
    versions = f"{result.from_version} → {result.version}" if result.from_version != result.version else result.version
    out.line(f"Cilium {versions} {result.outcome} in {where}, release {result.release} revision {result.revision}")
    if result.status is not None:
        out.line()
        show_status(out, result.status)
