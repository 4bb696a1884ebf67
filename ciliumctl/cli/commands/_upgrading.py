"""What `upgrade` does between its options and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, cast

from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.output import Cell, Writer
from ciliumctl.cli.session import Session

if TYPE_CHECKING:
    from ciliumctl.change.batches import Order, Stages
    from ciliumctl.change.upgrade import Asked, Upgraded, Way
    from ciliumctl.clients.helm import Release
    from ciliumctl.installation import Means, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the upgrade is to be made."""

    stages: Stages | None
    wait: bool
    gate: float


def asked(wanted: Wanted, *, via: Sequence[str], reset: bool, allow_skip: bool, allow_downgrade: bool) -> Asked:
    """What the user asks for."""
    from ciliumctl.change import route, upgrade

    return upgrade.Asked(
        wanted=wanted,
        via=route.stops(via),
        reset=reset,
        allowed=route.Allowed(downgrade=allow_downgrade, skip=allow_skip),
    )


def stages(*, batch: str, pause: float, selector: str, order: str) -> Stages | None:
    """How the agents are restarted, when it is to be in batches."""
    from ciliumctl.change import batches
    from ciliumctl.errors import UsageError

    if not batch:
        if pause or selector:
            raise UsageError("`--pause` and `--node-selector` are about batches", hint="add `--batch 10%`")
        return None
    return batches.Stages(size=batches.checked(batch), pause=pause, selector=selector, order=cast("Order", order))


def run(session: Session, asked: Asked, manner: Manner) -> NoReturn:
    """Find the way, ask, go it."""
    from ciliumctl import change
    from ciliumctl.change import paused, upgrade
    from ciliumctl.wait import Deadline

    stepwise = bool(asked.via) or manner.stages is not None
    whole = session.deadline(None if stepwise else manner.gate)
    means = _installing.means(session)
    where = _installing.where(session)
    with _installing.scratch() as folder:
        found = change.installed(session.kube, where, "upgrade it")
        if asked.nothing and paused.of(found) is None:
            asked = _proposed(session, found, asked, means)
        way = upgrade.prepare(session.kube, found, asked, means, folder)
        if not way.unchanged:
            _confirm(session, way, manner)
        last: list[Deadline] = [whole]

        def each() -> Deadline:
            last[:] = [whole.within(manner.gate) if manner.stages is None else whole]
            return last[0]

        how = change.How(
            helm=means.helm,
            holder=session.holder("upgrade"),
            where=where,
            deadline=whole,
            report=session.report,
            operation="upgrade",
            wait=manner.wait,
            stages=manner.stages,
            gate=manner.gate,
        )
        result = upgrade.carry_out(session.kube, way, how, each)
    late = change.late(result.steps[-1], last[0]) if result.steps else None
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if manner.wait else "status --wait")


def _proposed(session: Session, found: Release, asked: Asked, means: Means) -> Asked:
    """What is asked for once a proposal is accepted: nothing upgrades by itself."""
    from dataclasses import replace

    from ciliumctl.change import upgrade
    from ciliumctl.errors import NeedsConfirmation

    offer = upgrade.propose(session.kube, found, asked, means)
    if not offer.version:
        session.report.note(f"nothing to upgrade to: {offer.why}")
        return asked
    command = upgrade.command_for(asked, version=offer.version)
    what = f"Cilium {found.chart_version} → {offer.version}, {offer.why}"
    if not session.interactive:
        raise NeedsConfirmation(f"no version is named; the next one would be: {what}", hint=f"`{command}`")
    session.report.note(f"the next version: {what}")
    chart = replace(asked.wanted.chart, version=offer.version)
    return replace(asked, wanted=replace(asked.wanted, chart=chart))


def _confirm(session: Session, way: Way, manner: Manner) -> None:
    versions = list(way.versions)
    what = f"Cilium {' → '.join(versions)} on `{session.kube.context}`"
    verb = "Go on with the upgrade of" if way.goes_on else "Upgrade"
    batches = f", {manner.stages.size} of the nodes at a time" if manner.stages is not None else ""
    session.confirm(f"{verb} {what}{batches}?", refusal="an upgrade changes a running network")


def render(out: Writer, result: Upgraded) -> None:
    """Say what there is now, and what to do next."""
    where = f"namespace {result.namespace} of {result.context}"
    versions = f"{result.from_version} → {result.version}" if result.from_version != result.version else result.version
    style = "good" if result.ok else "bad"
    verdict: Cell = (result.outcome, style)
    out.line(
        ("Cilium ", "head"), versions, " ", verdict, f" in {where}, release {result.release} revision {result.revision}"
    )
    if len(result.steps) > 1:
        out.line()
        out.table(
            ("step", "outcome", "revision"),
            [[f"{step.from_version} → {step.version}", step.outcome, str(step.revision)] for step in result.steps],
        )
    last = result.steps[-1] if result.steps else None
    if last is not None and last.left:
        out.line()
        out.line(
            f"{len(last.left)} nodes keep the old pods: {', '.join(last.left[:5])}{' …' if len(last.left) > 5 else ''}"
        )
        out.hint("`ciliumctl upgrade --batch SIZE` goes on, `ciliumctl rollback` goes back")
    if last is not None and last.status is not None:
        out.line()
        show_status(out, last.status)
