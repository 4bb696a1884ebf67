"""Show whether Cilium is healthy, and if not, why.

With `--wait` it is looked at until it is healthy; the wait ends early when something will not mend itself, such as an
image that cannot be pulled. Nothing is run in any pod unless `--deep` is given.

`--deep` asks every agent for its own view, 32 at a time. `--watch` looks again and again, until Ctrl-C.

Exit codes: 0 healthy, 1 unhealthy or not installed, 4 still unhealthy when the time was up.

Examples:
  ciliumctl status
  ciliumctl status --wait --wait-duration 10m
  ciliumctl status --deep
  ciliumctl status --watch --interval 10s
  ciliumctl status -o json | jq '.data.problems[]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _watching
from ciliumctl.cli.options import duration, option
from ciliumctl.cli.output import Cell, Render, Writer

if TYPE_CHECKING:
    from ciliumctl.status.verdict import Component, Status

_FEATURES = {
    "ipam": "IPAM",
    "routing": "Routing",
    "families": "Families",
    "kube_proxy_replacement": "kube-proxy replacement",
    "encryption": "Encryption",
    "hubble": "Hubble",
    "cluster": "Cluster",
}
_LONGEST = 30
_STYLES = {"healthy": "good", "unhealthy": "bad", "missing": "bad", "disabled": "dim"}

KIND = "Status"


def command(
    ctx: typer.Context,
    *,
    wait: Annotated[bool, option("--wait", help="Wait until Cilium is healthy")] = False,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest wait (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    fail_fast: Annotated[
        bool, option("--fail-fast/--no-fail-fast", help="End the wait early when waiting cannot help (default: yes)")
    ] = True,
    deep: Annotated[bool, option("--deep", help="Ask every agent for its own view, by a command in its pod")] = False,
    watch: Annotated[bool, option("--watch", "-w", help="Show it again whenever it changes, until Ctrl-C")] = False,
    interval: Annotated[float, duration("--interval", help="Time between two looks of --watch (default: 2s)")] = 2.0,
) -> None:
    """Look, or wait, or watch."""
    from ciliumctl import release, status
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow("wide", "name")
    if watch and wait:
        raise UsageError("`--watch` goes on after Cilium is healthy, `--wait` ends then", hint="use one of the two")
    deadline = session.deadline(wait_duration if wait else 0 if watch else 60.0)
    where = status.Where(
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        storage=release.storage(session.environ),
    )
    if watch:
        _watching.until_interrupted(
            session, where, render(session.settings.output), deep=deep, interval=interval, deadline=deadline
        )
    if not wait:
        session.finish(status.look(session.kube, where, deep=deep), render(session.settings.output))
    result = status.wait(session.kube, where, deadline=deadline, report=session.report, fail_fast=fail_fast, deep=deep)
    late = status.unhealthy(result, deadline)
    if late is not None:
        session.fail(late, result, render(session.settings.output))
    session.finish(result, render(session.settings.output))


def render(output: str) -> Render:
    """The renderer for a format."""
    return lambda out, result: show(out, result, wide=output == "wide")


def show(out: Writer, status: Status, *, wide: bool = False) -> None:
    """The parts, how Cilium is set up, and what is wrong."""
    verdict: Cell = ("healthy", "good") if status.ok else ("unhealthy" if status.installed else "not installed", "bad")
    version = f" {status.version}" if status.version else ""
    out.line((f"Cilium{version}", "head"), f" in namespace {status.namespace} of {status.context}: ", verdict)
    if status.installed:
        out.line()
        columns = ("component", "state", "ready", "updated", "restarts", "version")
        out.table(columns, [_row(component) for component in status.components])
        out.line()
        out.table(("", ""), _facts(status))
    if wide and status.nodes:
        out.line()
        out.table(
            ("node", "state", "agent", "agent state", "restarts", "age", "kubelet", "kernel"),
            [
                (
                    node.name,
                    node.state,
                    node.agent or "-",
                    (node.agent_state, "good" if node.agent_state == "Ready" else "bad"),
                    str(node.restarts),
                    node.age or "-",
                    node.kubelet,
                    node.kernel,
                )
                for node in status.nodes
            ],
        )
    _problems(out, status)


def _row(component: Component) -> list[Cell]:
    state: Cell = (component.state, _STYLES[component.state])
    if not component.desired:
        return [component.name, state, "", "", "", ""]
    versions = ", ".join(
        _short(version) if len(component.versions) == 1 else f"{_short(version)} ({count})"
        for version, count in sorted(component.versions.items())
    )
    ready = f"{component.ready}/{component.desired}"
    return [
        component.name,
        state,
        (ready, "bad") if component.ready < component.desired else ready,
        f"{component.updated}/{component.desired}",
        str(component.restarts),
        versions,
    ]


def _short(version: str) -> str:
    """A version that fits a line: Envoy's tags have a whole commit in them; JSON shows all of it."""
    return version if len(version) <= _LONGEST else f"{version[: _LONGEST - 1]}…"


def _facts(status: Status) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    if status.release:
        rows.append(["Helm release", f"{status.release} revision {status.revision}, {status.release_status}"])
    rows += [[title, status.features[key]] for key, title in _FEATURES.items() if status.features.get(key)]
    if status.nodes:
        ready = sum(node.agent_state == "Ready" for node in status.nodes)
        rows.append(["Nodes", f"{ready} of {len(status.nodes)} with a ready agent"])
    if status.networked_pods is not None:
        managed = status.networked_pods - status.unmanaged_pods
        rows.append(["Pods", f"{managed} of {status.networked_pods} managed by Cilium"])
    return rows


def _problems(out: Writer, status: Status) -> None:
    for problem in status.problems:
        out.line()
        sign: Cell = ("✗ ", "bad") if problem.severity == "error" else ("⚠ ", "warn")
        out.line(sign, problem.message)
        for detail in problem.details:
            out.line("    ", detail)
        if problem.hint:
            out.hint(problem.hint, indent="    ")
    if status.notes:
        out.line()
    for note in status.notes:
        out.line(("note: ", "dim"), note)
