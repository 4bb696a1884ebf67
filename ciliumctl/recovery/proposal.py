"""One way out, and why. Pure: findings in, a proposal out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ciliumctl.change import paused
from ciliumctl.errors import Refused
from ciliumctl.recovery.applied import Applied
from ciliumctl.recovery.findings import Findings, trouble, unwell_before

Action = Literal["none", "tidy", "restart", "finish", "forward", "back", "continue", "uninstall"]
Wish = Literal["", "forward", "back"]
AGENTS = "DaemonSet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found, and what is proposed.

    `tidy` only takes away a dead run's marks; `restart` does what a run did not come to; `finish` writes down that all
    is applied; `forward` makes the same change again; `continue` goes on with a first installation; `back` goes back to
    `good_revision`; `uninstall` is for `ciliumctl uninstall` to do.
    """

    kind: ClassVar[str] = "RecoveryPreview"

    context: str
    namespace: str
    release: str
    revision: int
    status: str
    age_seconds: float
    description: str
    operation: str
    who: str
    began: str
    lock: str
    from_version: str
    version: str
    good_revision: int
    applied: Applied
    agents_ready: int
    agents_desired: int
    trouble: str
    action: Action
    reason: str

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend."""
        return self.action == "none"


def propose(found: Findings, context: str, wish: Wish = "") -> Proposal:
    """What to do. `wish` decides between the two directions where both are open.

    Raises:
        Refused: the direction that is wished for is not open.
    """
    action, reason = _decide(found, wish)
    note = unwell_before(found) if action == "back" else ""
    reason = f"{reason} ({note})" if note else reason
    newest, entry, held = found.newest, found.entry, found.past.held
    agent = next((part for part in found.health.components if part.name == "agent"), None)
    return Proposal(
        context=context,
        namespace=newest.namespace,
        release=newest.name,
        revision=newest.revision,
        status=newest.status,
        age_seconds=round(found.age, 1),
        description=newest.description,
        operation=entry.operation if entry is not None else "",
        who=entry.who if entry is not None else "",
        began=entry.began if entry is not None else newest.updated,
        lock=f"{held.holder.who}, `{held.holder.command}`, for {max(0, int(found.now - held.since))} s" if held else "",
        from_version=found.before.chart_version if found.before is not None else "",
        version=newest.chart_version,
        good_revision=found.before.revision if found.before is not None else 0,
        applied=found.applied,
        agents_ready=agent.ready if agent is not None else 0,
        agents_desired=agent.desired if agent is not None else 0,
        trouble=trouble(found),
        action=action,
        reason=reason,
    )


def _decide(found: Findings, wish: Wish) -> tuple[Action, str]:
    if found.newest.status == "uninstalling":
        return (
            "uninstall",
            "an uninstallation was begun: recover removes nothing, `ciliumctl uninstall` goes on with it",
        )
    if found.half_way:
        return _half_way(found, wish) if found.before is not None else _first(found, wish)
    if wish:
        raise Refused(
            f"revision {found.newest.revision} is {found.newest.status}: there is nothing to take forward or back",
            hint="change it with `ciliumctl upgrade`, or go back with `ciliumctl rollback`",
        )
    if found.stale:
        named = ", ".join(map(str, found.stale))
        return "restart", f"Helm was done, and the run was killed before it restarted what reads the change: {named}"
    if found.killed and paused.of(found.newest) is not None:
        return (
            "tidy",
            "a staged restart was killed between two nodes: `ciliumctl upgrade` goes on with those that are left",
        )
    if found.killed or found.past.held is not None:
        return "tidy", "the release is whole; only the marks of a run that was killed are left"
    return "none", f"the release is {found.newest.status}, and nobody is at work on it"


def _first(found: Findings, wish: Wish) -> tuple[Action, str]:
    """A first installation: there is nothing to go back to, and a network is never taken away."""
    if wish == "back":
        raise Refused(
            "there is no good revision to go back to", hint="remove Cilium on purpose with `ciliumctl uninstall`"
        )
    if found.newest.pending and found.applied.all and not found.newest.hooks and wish != "forward":
        return "finish", "every object of the installation is there; Helm only did not come to write it down"
    return "continue", f"{_count(found)}: the installation goes on with the same chart and values"


def _half_way(found: Findings, wish: Wish) -> tuple[Action, str]:
    applied, bad = found.applied, trouble(found)
    if wish == "back":
        return "back", "as asked for"
    whole = applied.all and not found.newest.hooks
    if wish == "forward":
        return ("finish" if whole else "forward"), "as asked for"
    if bad and not applied.none:
        return "back", f"what was applied does not run: {bad}"
    if whole:
        return "finish", "every object is applied; Helm only did not come to write it down"
    if applied.none:
        return "back", "nothing of it is applied: the running Cilium is left as it is"
    # With updates paused, a changed DaemonSet replaces nothing.
    if not found.pause and applied.state_of(_agents(found)) in {"new", "neither"}:
        return "forward", f"{_count(found)}, and the agents are being replaced: going back would replace them twice"
    return "back", f"{_count(found)}, and the agents are untouched: going back restarts none of them"


def _agents(found: Findings) -> str:
    return f"{AGENTS} {found.newest.namespace}/cilium"


def _count(found: Findings) -> str:
    applied = found.applied
    total = len(applied.new) + len(applied.old) + len(applied.neither)
    return f"{len(applied.new)} of {total} objects that differ are applied"
