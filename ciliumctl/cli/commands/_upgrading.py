"""What `upgrade` does between its options and its result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from ciliumctl.cli.commands import _checking, _installing
from ciliumctl.cli.commands._planning import consent, show_effects, show_restarts, show_values
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.output import Cell, Writer, wants_color
from ciliumctl.cli.session import Session
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.change import Changed, How
    from ciliumctl.change.backup import Place
    from ciliumctl.change.batches import Order, Stages
    from ciliumctl.change.ready import Outlook, Ready
    from ciliumctl.change.upgrade import Upgraded
    from ciliumctl.change.ways import Asked, Way
    from ciliumctl.clients.helm import Release
    from ciliumctl.installation import Means, Wanted
    from ciliumctl.wait import Deadline


_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the upgrade is to be made."""

    batch: str
    pause: float
    selector: str
    order: str
    wait: bool
    gate: float
    atomic: bool
    pull_images: bool
    backup: bool
    backup_dir: str
    lint: bool
    skip_preflight: Sequence[str]
    dry_run: bool
    confirm: str


def asked(
    wanted: Wanted,
    *,
    via: Sequence[str],
    reset: bool,
    allow_skip: bool,
    allow_downgrade: bool,
    allow_unhealthy: bool,
) -> Asked:
    """What the user asks for."""
    from ciliumctl.change import route, ways

    return ways.Asked(
        wanted=wanted,
        via=route.stops(via),
        reset=reset,
        allowed=route.Allowed(downgrade=allow_downgrade, skip=allow_skip, unhealthy=allow_unhealthy),
    )


def _stages(manner: Manner) -> Stages | None:
    """How the agents are restarted, when it is to be in batches."""
    from ciliumctl.change import batches

    if not manner.batch:
        if manner.pause or manner.selector:
            raise UsageError("`--pause` and `--node-selector` are about batches", hint="add `--batch 10%`")
        return None
    return batches.Stages(
        size=batches.checked(manner.batch),
        pause=manner.pause,
        selector=manner.selector,
        order=cast("Order", manner.order),
    )


def run(session: Session, asked: Asked, manner: Manner) -> NoReturn:
    """Find the way, show what it does, ask, go it."""
    from ciliumctl import change
    from ciliumctl.change import upgrade

    _check_manner(asked, manner)
    # `--wait-duration` is for each wait, `--timeout` for all there is.
    deadline = session.deadline(None)
    with _installing.scratch() as folder:
        way = _way(session, asked, manner, folder)
        if way.unchanged:
            session.report.note("Cilium is as asked for: unchanged")
            session.finish(upgrade.nothing_done(session.kube, way), render)
        batches = _batches(session, way, manner)
        ahead = _ahead(session, way, manner, folder)
        so_far = replace(upgrade.nothing_done(session.kube, way, ahead.outlooks), batches=batches)
        if manner.dry_run:
            session.finish(replace(so_far, outcome="dry-run"), render)
        _confirm(session, way, manner, ahead, batches)
        how = _how(session, manner, deadline)
        before = upgrade.Before(place=_place(manner), pull_images=manner.pull_images, storage=how.where.storage)
        result = upgrade.carry_out(session.kube, way, how, before, so_far)
    late = change.late(result.steps[-1], deadline) if result.steps else None
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if manner.wait else "status --wait")


def _way(session: Session, asked: Asked, manner: Manner, folder: Path) -> Way:
    """From what is installed to where it is to go; asks where that is, when it was not said."""
    from ciliumctl import change
    from ciliumctl.change import paused, ways

    means, where = _installing.means(session), _installing.where(session)
    if not manner.dry_run:
        ways.refuse_if_busy(session.kube)
    found = change.installed(session.kube, where, "upgrade")
    if asked.nothing and paused.of(found) is None:
        asked = _proposed(session, found, asked, means, dry_run=manner.dry_run)
    found = ways.from_deployed(session.kube, found, where.storage)
    way = ways.prepare(session.kube, where, found, asked, means, folder)
    if not way.unchanged:
        _check_strategy(way, manner)
    return way


def _batches(session: Session, way: Way, manner: Manner) -> tuple[tuple[str, ...], ...]:
    """The nodes of a staged restart, batch by batch. Raises `UsageError` where no node is meant."""
    from ciliumctl.change import staged

    stages = _stages(manner)
    if stages is None:
        return ()
    return staged.planned(session.kube, session.settings.namespace, stages, goes_on=way.goes_on)


def _ahead(session: Session, way: Way, manner: Manner, folder: Path) -> Ready:
    from ciliumctl.change import ready, ways

    gate = _checking.gate(session, _checking.choice(session, skip=manner.skip_preflight))
    wishes = ready.Wishes(lint=manner.lint, gate=gate)
    chart = ways.before_chart(way, folder)
    return ready.ready(session.kube, way.targets, chart, _installing.means(session), wishes)


def _how(session: Session, manner: Manner, deadline: Deadline) -> How:
    from ciliumctl import change

    return change.How(
        helm=session.helm,
        holder=session.holder("upgrade"),
        where=_installing.where(session),
        deadline=deadline,
        report=session.report,
        operation="upgrade",
        wait=manner.wait,
        atomic=manner.atomic,
        stages=_stages(manner),
        gate=manner.gate,
    )


def _check_manner(asked: Asked, manner: Manner) -> None:
    """Refuse what contradicts itself. Raises `UsageError`."""
    _stages(manner)
    if manner.backup_dir and not manner.backup:
        raise UsageError("`--backup-dir` and `--no-backup` exclude each other", hint="leave one of them out")
    waits = {"--via": bool(asked.via), "--batch": bool(manner.batch), "--atomic": manner.atomic}
    needed = next((flag for flag, given in waits.items() if given), "")
    if needed and not manner.wait:
        raise UsageError(
            f"`{needed}` goes on when Cilium is healthy, `--no-wait` does not wait", hint="use one of them"
        )


def _place(manner: Manner) -> Place | None:
    from ciliumctl.change.backup import Place

    if not manner.backup:
        return None
    return Place(folder=Path(manner.backup_dir).expanduser()) if manner.backup_dir else Place(parent=Path.cwd())


def _check_strategy(way: Way, manner: Manner) -> None:
    """Refuse to wait for what never comes: agents that nobody restarts."""
    from ciliumctl.change import paused

    if manner.wait and not manner.batch and paused.needs_hands(way.targets[-1].values):
        raise UsageError(
            "the values set `updateStrategy.type` to `OnDelete`: no agent would be replaced by itself",
            hint="add `--batch 10%`, or `--no-wait` to delete the pods yourself",
        )


def _proposed(session: Session, found: Release, asked: Asked, means: Means, *, dry_run: bool) -> Asked:
    """What is asked for once a proposal is accepted: nothing upgrades by itself. A dry run only shows it."""
    from ciliumctl.change import ways
    from ciliumctl.errors import NeedsConfirmation

    offer = ways.propose(session.kube, found, asked, means)
    if not offer.version:
        session.report.note(f"nothing to upgrade to: {offer.why}")
        return asked
    command = ways.command_for(asked, version=offer.version)
    what = f"Cilium {found.chart_version} → {offer.version}, {offer.why}"
    if not dry_run and (session.settings.yes or not session.interactive):
        raise NeedsConfirmation(f"no version is named; the next one would be: {what}", hint=f"`{command}`")
    session.report.note(f"the next version: {what}")
    chart = replace(asked.wanted.chart, version=offer.version)
    return replace(asked, wanted=replace(asked.wanted, chart=chart))


def _confirm(session: Session, way: Way, manner: Manner, ahead: Ready, batches: Sequence[Sequence[str]]) -> None:
    versions = " → ".join(dict.fromkeys(way.versions))
    what = f"Cilium {versions} on `{session.kube.context}`"
    if not session.settings.quiet:
        color = wants_color(session.settings.color, sys.stderr, session.environ)
        writer = Writer(sys.stderr, color=color, address=session.addressed)
        show_ahead(writer, ahead.outlooks, batches)
        writer.line()
    verb = "Go on with the upgrade of" if way.goes_on else "Upgrade"
    at_a_time = f", {manner.batch} of the nodes at a time" if manner.batch else ""
    if ahead.confirmation == "name":
        consent(session, ahead.impact, confirm=manner.confirm, what=f"The upgrade of {what}")
    session.confirm(
        f"{verb} {what}{at_a_time}?",
        refusal="an upgrade changes a running network",
        hint="look at it with `--dry-run`, then add `--yes`",
    )


def _show_batches(out: Writer, batches: Sequence[Sequence[str]]) -> None:
    count = sum(map(len, batches))
    out.line()
    out.line((f"Batches ({len(batches)}, {count} node{'' if count == 1 else 's'} in this order)", "head"))
    for number, batch in enumerate(batches[:_NAMED], 1):
        more = f" and {len(batch) - _NAMED} more" if len(batch) > _NAMED else ""
        out.line(f"  {number}: {', '.join(batch[:_NAMED])}{more}")
    if len(batches) > _NAMED:
        out.line(f"  and {len(batches) - _NAMED} more")


def show_ahead(out: Writer, outlooks: Sequence[Outlook], batches: Sequence[Sequence[str]] = ()) -> None:
    """What every step is going to do, and in which batches the nodes are taken."""
    for number, one in enumerate(outlooks, 1):
        out.line()
        title = f"Cilium {one.from_version} → {one.version}" if one.from_version != one.version else one.version
        step = f"step {number} of {len(outlooks)}: " if len(outlooks) > 1 else ""
        out.line((f"{step}{title}", "head"))
        if number == 1:
            show_values(out, one.values)
        show_restarts(out, one.restarts, batches=batches)
        show_effects(out, one.effects)
        if one.findings:
            out.line()
            out.line((f"About the values ({len(one.findings)})", "head"))
        for finding in one.findings:
            sign: Cell = ("✗ ", "bad") if finding.severity == "error" else ("⚠ ", "warn")
            key = f"{finding.key}: " if finding.key else ""
            out.line("  ", sign, key, finding.message)
        for check in one.checks:
            out.line("  ", ("⚠ ", "warn"), f"{check.id}: ", check.message)
    if batches:
        _show_batches(out, batches)


def render(out: Writer, result: Upgraded) -> None:
    """Say what there is now, and what to do next."""
    where = f"namespace {result.namespace} of {result.context}, release {result.release} revision {result.revision}"
    if result.outcome == "dry-run":
        out.line(("Cilium ", "head"), f"{result.from_version} → {result.wanted} in {where}: nothing was changed")
        show_ahead(out, result.ahead, result.batches)
        return
    changed = result.from_version != result.version
    versions = f"{result.from_version} → {result.version}" if changed else result.version
    out.line(("Cilium ", "head"), f"{versions} ", (result.outcome, "good" if result.ok else "bad"), f" in {where}")
    if result.backup:
        out.line(f"Back-up: {result.backup}")
    if len(result.steps) > 1:
        out.line()
        rows = [[f"{step.from_version} → {step.version}", step.outcome, str(step.revision)] for step in result.steps]
        out.table(("step", "outcome", "revision"), rows)
    if result.steps:
        _show_last(out, result.steps[-1])


def show_change(out: Writer, result: Changed) -> None:
    """Say what there is now after a single change."""
    where = f"namespace {result.namespace} of {result.context}"
    versions = f"{result.from_version} → {result.version}" if result.from_version != result.version else result.version
    out.line(f"Cilium {versions} {result.outcome} in {where}, release {result.release} revision {result.revision}")
    _show_last(out, result)


def _show_last(out: Writer, step: Changed) -> None:
    """Who keeps the old pods, how Cilium is, and how it is after it was taken back."""
    if step.left:
        out.line()
        named = ", ".join(step.left[:_NAMED]) + (
            f" and {len(step.left) - _NAMED} more" if len(step.left) > _NAMED else ""
        )
        out.line((f"{len(step.left)} nodes keep the old pods, updates are paused: ", "warn"), named)
        out.hint("`ciliumctl upgrade --batch SIZE` goes on, `ciliumctl rollback` goes back")
    if step.status is not None:
        out.line()
        show_status(out, step.status)
    back = step.taken_back
    if back is None:
        return
    out.line()
    said: Cell = ("healthy", "good") if back.status.ok else ("not healthy", "bad")
    out.line((f"taken back to Cilium {step.from_version} as revision {back.revision}: ", "head"), said)
    if back.dump:
        out.line(f"what it looked like before: {back.dump}")
    if not back.status.ok:
        out.line()
        show_status(out, back.status)
