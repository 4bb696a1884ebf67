"""Show the differences that a change would make, as unified diffs; without a change, what has drifted.

What an object would become is asked of the API server (a dry run), so its defaults make no noise. Secrets are masked:
the same number is the same value. `--mode release` compares the release's manifest instead of the live objects,
`--mode values` the values. `KUBECTL_EXTERNAL_DIFF` names another program to compare with.

Exit codes: 0 no difference, 1 differences, above 1 an error.

Examples:
  ciliumctl diff
  ciliumctl diff --version 1.16.19 --mode values
  KUBECTL_EXTERNAL_DIFF="diff -u -N" ciliumctl diff --set debug.enabled=true
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing, _planning
from ciliumctl.cli.options import ChartOptions, ResetValues, ValuesOptions, choice
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.change import Differences

KIND = "Differences"


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    reset_values: ResetValues = False,
    mode: Annotated[
        str, choice("live", "release", "values", flags=("--mode",), help="What is compared (default: live)")
    ] = "live",
) -> None:
    """Compare and show."""
    from ciliumctl import change

    session = session_of(ctx)
    session.allow()
    session.deadline(300.0)
    wanted = _installing.wanted(
        session,
        which,
        given,
    )
    means = _installing.means(session)
    where = _installing.where(session)
    with _installing.scratch() as folder:
        found, owner = change.look(session.kube, where)
        if found is None:
            # Says whose it is, where it is somebody's.
            found = change.installed(session.kube, where, "change values")
        elif owner is not None:
            session.report.warn(f"Cilium belongs to {owner.tool}: it is changed there", owner.hint_for("change values"))
        target = change.towards(found, wanted, means, folder, reset=reset_values)
        looked_at = cast("Literal['live', 'release', 'values']", mode)
        result = change.compare(session.kube, target, looked_at, session.report)
    program = session.environ.get("KUBECTL_EXTERNAL_DIFF", "")
    session.finish(result, _by(program) if program and mode != "values" else render)


def _by(program: str) -> _Render:
    return lambda out, result: out.text(text) if (text := _planning.external(result.compared, program)) else None


def render(out: Writer, result: Differences) -> None:
    """A diff for each object, or a line for each value."""
    if result.ok:
        out.line("no differences")
        return
    _planning.show_values(out, result.values)
    _planning.show_differences(out, result.objects)


if TYPE_CHECKING:
    from collections.abc import Callable

    _Render = Callable[[Writer, Differences], None]
