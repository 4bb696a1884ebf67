"""How plans and differences are shown, and what the commands that make them have in common."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ciliumctl.cli.output import Cell, Writer
from ciliumctl.errors import Missing, NeedsConfirmation

if TYPE_CHECKING:
    from ciliumctl.change import Plan
    from ciliumctl.change.differences import Compared, Difference
    from ciliumctl.change.impact import Effect, Impact, Restart, ValueChange
    from ciliumctl.cli.session import Session

_STYLES = {"not-live": "bad", "interruption": "bad", "agents-restart": "warn", "rolling-restart": "warn", "none": "dim"}
_TITLES = {
    "not-live": "cannot be done on a running network",
    "interruption": "interrupts traffic",
    "agents-restart": "needs restarts to be seen",
    "rolling-restart": "pods are replaced in turn",
    "none": "good to know",
}
_SIGNS = {
    "added": ("+", "added"),
    "changed": ("~", "warn"),
    "removed": ("-", "removed"),
    "regenerated": ("=", "dim"),
    "unchanged": ("!", "warn"),
}
_NOTHING = "(not set)"


def show_plan(out: Writer, plan: Plan) -> None:
    """All of a plan, the worst of it last: that is what is read."""
    where = f"namespace {plan.namespace} of {plan.context}"
    if plan.operation == "install":
        out.line((f"Plan to install Cilium {plan.version} in {where}", "head"))
    else:
        versions = plan.version if plan.version == plan.from_version else f"{plan.from_version} → {plan.version}"
        out.line((f"Plan for Cilium {versions} in {where}, release {plan.release} revision {plan.revision}", "head"))
    if not plan.differs:
        out.line("Nothing would change.")
    show_values(out, plan.values)
    show_objects(out, plan.objects)
    show_restarts(out, plan.restarts)
    show_effects(out, plan.effects)
    if plan.operation == "change" and plan.differs:
        out.line()
        _show_confirmation(out, plan)
    if plan.saved:
        out.line()
        out.line(f"Saved in {plan.saved}.")


def _show_confirmation(out: Writer, plan: Plan) -> None:
    asks = {
        "none": "Applying it asks nothing.",
        "yes": "Applying it asks for a yes: traffic is interrupted.",
        "name": f"Applying it asks for the context's name: `--confirm {plan.context}`.",
    }
    refused = sum(bool(item.refused) for item in plan.objects)
    if refused:
        out.line((f"It would fail half-way: {refused} object{'s are' if refused > 1 else ' is'} refused.", "bad"))
    else:
        out.line(asks[plan.confirmation])


def show_values(out: Writer, values: Sequence[ValueChange]) -> None:
    """One line a value."""
    if not values:
        return
    out.line()
    out.line((f"Values ({len(values)})", "head"))
    rows = [
        (value.key, f"{shown(value.before)} → {shown(value.after)}", (value.level, _STYLES[value.level]))
        for value in values
    ]
    out.table(("", "", ""), rows, indent="  ")


def shown(value: Any) -> str:
    """A value on one line."""
    import json

    if value is None:
        return _NOTHING
    return value if isinstance(value, str) and value.startswith("<--") else json.dumps(value)


def show_objects(out: Writer, objects: Sequence[Difference]) -> None:
    """One line an object, with what is not as expected below it."""
    if not objects:
        return
    differ = [item for item in objects if item.differs]
    out.line()
    out.line((f"Objects ({len(differ)})", "head"))
    for item in objects:
        sign, style = _SIGNS[item.operation]
        cells: list[Cell] = [(f"  {sign} ", style), f"{item.ref}"]
        if item.operation == "regenerated":
            cells.append(("  made anew at every change, which is no difference", "dim"))
        out.line(*cells)
        for line in item.drift:
            out.line(("      drift: ", "warn"), line)
        if item.drift and item.name == "cilium-config":
            out.line("      ", out.address("what the agents run with: `ciliumctl config diff`"))
        if item.refused:
            out.line(("      refused: ", "bad"), item.refused)


def show_restarts(out: Writer, restarts: Sequence[Restart], *, batches: Sequence[Sequence[str]] = ()) -> None:
    """Which pods are replaced, by whom and why; those on every node in `batches`, where there are any."""
    if not restarts:
        return
    out.line()
    out.line((f"Restarts ({len(restarts)})", "head"))
    by = {"rollout": "by its own rollout", "ciliumctl": "by ciliumctl"}
    size = len(batches[0]) if batches else 0
    staged = f"by ciliumctl, {size} node{'' if size == 1 else 's'} at a time"

    def whose(item: Restart) -> str:
        return staged if size and item.workload.startswith("daemonset/") else by[item.by]

    out.table(("", "", ""), [(item.workload, whose(item), item.why) for item in restarts], indent="  ")


def show_effects(out: Writer, effects: Sequence[Effect]) -> None:
    """What it does to the network, grouped by how bad it is; the worst last."""
    for level in ("none", "rolling-restart", "agents-restart", "interruption", "not-live"):
        of_level = [effect for effect in effects if effect.level == level]
        if not of_level:
            continue
        out.line()
        out.line((f"{level}", _STYLES[level]), f": {_TITLES[level]}")
        for effect in of_level:
            change = (
                f" ({effect.before or _NOTHING} → {effect.after or _NOTHING})" if effect.before != effect.after else ""
            )
            out.line(f"  {effect.subject}{change}")
            out.line(f"    {effect.why}")
            if effect.way:
                out.line(("    safe way: ", "head"), effect.way)


def consent(session: Session, found: Impact, *, confirm: str, what: str) -> None:
    """Ask for what the change needs. Raises `NeedsConfirmation`.

    What cannot be done on a running network needs the context's name, whatever else was answered.
    """
    from ciliumctl.change import impact

    context = session.kube.context
    if found.confirmation == "name" and confirm != context:
        subjects = impact.subjects(found.effects, "not-live")
        raise NeedsConfirmation(
            f"{what} cannot be done on a running network: {'; '.join(subjects)}",
            hint=f"if it must be, confirm it with the context's name: `--confirm {context}`",
        )
    if found.confirmation == "yes":
        subjects = impact.subjects(found.effects, "interruption")
        session.confirm(
            f"{what} interrupts traffic. Do it?",
            refusal=f"{what} interrupts traffic ({'; '.join(subjects)})",
            hint="look at it with `ciliumctl plan`, then add `--yes`",
        )


# Differences


def show_differences(out: Writer, objects: Sequence[Difference]) -> None:
    """A unified diff for each object that differs."""
    for item in objects:
        if not item.differs:
            continue
        for line in item.drift:
            out.line((f"# {item.ref}: ", "head"), ("drift: ", "warn"), line)
        if item.refused:
            out.line((f"# {item.ref}: ", "head"), ("refused: ", "bad"), item.refused)
        _show_diff(out, item.diff)
        if item.drift_diff:
            out.line((f"# {item.ref}: what was changed since the release", "head"))
            _show_diff(out, item.drift_diff)


def _show_diff(out: Writer, text: str) -> None:
    styles = {"+": "added", "-": "removed", "@": "dim"}
    for line in text.splitlines():
        style = "head" if line.startswith(("---", "+++")) else styles.get(line[:1], "")
        out.line((line, style))


def external(compared: Sequence[Compared], program: str) -> str:
    """What the program of `KUBECTL_EXTERNAL_DIFF` says of both sides, as files in two folders, without secrets.

    Raises `Missing` when it cannot be run, or fails: diff programs end with 1 for a difference, and more for a failure.
    """
    from ciliumctl.change.differences import file_name

    with tempfile.TemporaryDirectory(prefix="ciliumctl-diff-") as folder:
        left, right = Path(folder, "LIVE"), Path(folder, "MERGED")
        for side in (left, right):
            side.mkdir()
        for item in compared:
            if item.difference.operation in {"unchanged", "regenerated"}:
                continue
            for side, text in ((left, item.before), (right, item.after)):
                if text:
                    (side / file_name(item.difference)).write_text(text, encoding="utf-8")
        argv = [*shlex.split(program), str(left), str(right)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, env=os.environ)
        except OSError as error:
            raise Missing(
                f"`{argv[0]}` of `KUBECTL_EXTERNAL_DIFF` cannot be run: {error.strerror}", hint="unset it, or mend it"
            ) from error
    if done.returncode > 1:
        raise Missing(
            f"`{program}` of `KUBECTL_EXTERNAL_DIFF` ended with {done.returncode}",
            hint="unset it, or mend it",
            detail=done.stderr,
        )
    return done.stdout
