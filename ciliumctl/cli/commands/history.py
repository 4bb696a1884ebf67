"""Show what was done to Cilium: every revision that Helm keeps, who made it and what came of it.

Helm's own history is joined with the journal that ciliumctl keeps beside the release. Revisions that other tools made
are shown too. `*` marks the revision that is installed, `<` the one that `ciliumctl rollback` goes back to.

Examples:
  ciliumctl history
  ciliumctl history -o wide
  ciliumctl history --revision 4
  ciliumctl history -o json | jq '.data.lines[-1]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.options import option
from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.history import History, Line, ValueChange

KIND = "History"
_BAD = {"unhealthy", "failed", "taken-back", "killed"}


def command(
    ctx: typer.Context,
    *,
    revision: Annotated[
        int, option("--revision", metavar="REVISION", help="Only this one, with its values before and after")
    ] = 0,
) -> None:
    """Look back."""
    from ciliumctl import history

    session = session_of(ctx)
    session.allow("wide", "name")
    session.deadline(60.0)
    found = history.look(session.kube, _installing.where(session))
    if revision:
        session.finish(history.only(found, revision), show_one)
    wide = session.settings.output == "wide"
    session.finish(found, lambda out, result: render(out, result, wide=wide))


def render(out: Writer, result: History, *, wide: bool = False) -> None:
    """A line for each revision."""
    if result.owner:
        out.line(f"Cilium belongs to {result.owner}; this is what Helm keeps of it")
    columns = ["", "revision", "when", "operation", "version", "status", "result", "values"]
    out.table([*columns, "who", "message"] if wide else [*columns, "who"], [_row(line, wide) for line in result.lines])
    if not result.journal:
        out.line()
        out.line("no journal: who made a revision and whether Cilium got healthy is not known")


def _row(line: Line, wide: bool) -> list[Cell]:  # noqa: FBT001 - a cell more or less
    mark: Cell = ("*", "good") if line.running else ("<", "head") if line.last_good else ""
    moved = line.from_version and line.from_version != line.version
    versions = f"{line.from_version} → {line.version}" if moved else line.version
    result: Cell = (line.result, "bad") if line.result in _BAD else line.result or "-"
    keys = ", ".join(change.key for change in line.values)
    values = (keys or "-") if wide else str(len(line.values) or "-")
    row: list[Cell] = [
        mark,
        str(line.revision or "-"),
        line.when.replace("T", " ").removesuffix("Z"),
        line.operation,
        versions,
        (line.status or "-", "bad") if line.status.startswith(("failed", "pending")) else line.status or "-",
        result,
        values,
        line.who or "-",
    ]
    return [*row, line.message] if wide else row


def show_one(out: Writer, result: History) -> None:
    """One revision with all that is known of it."""
    (line,) = result.lines
    out.line((f"revision {line.revision}", "head"), f" of release {result.release} in namespace {result.namespace}")
    rows = [
        ("when", line.when),
        ("operation", line.operation),
        ("who", line.who and f"{line.who}, ciliumctl {line.ciliumctl}"),
        ("version", f"{line.from_version} → {line.version}" if line.from_version else line.version),
        ("status", line.status + (", installed" if line.running else "")),
        ("result", line.result),
        ("message", line.message),
    ]
    out.table(["", ""], [list(row) for row in rows if row[1]])
    show_values(out, line.values)


def show_values(out: Writer, changes: tuple[ValueChange, ...]) -> None:
    """Values before and after."""
    if not changes:
        out.line("no value of its own changes")
        return
    out.line("values:")
    for change in changes:
        out.line(f"  {change.key}: ", (_said(change.before), "removed"), " → ", (_said(change.after), "added"))


def _said(value: object) -> str:
    import json

    return "not set" if value is None else json.dumps(value)
