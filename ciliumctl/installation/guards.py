"""What must not be installed over."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl import cni, owners
from ciliumctl.clients.helm import Release
from ciliumctl.errors import AnotherCni, Exists, ReleaseStuck
from ciliumctl.installation.plan import Plan, Wanted, spelled
from ciliumctl.values.paths import difference


def refuse_others(owner: owners.Owner | None, others: Sequence[cni.OtherCni], *, beside: str = "") -> None:
    """Refuse where something else than `beside` runs the network. Raises `ForeignOwner`, `AnotherCni`."""
    if owner is not None:
        raise owners.foreign(owner, "install")
    blocking = [other for other in others if other.blocks and other.name != beside]
    if blocking:
        first = blocking[0]
        names = ", ".join(other.name for other in blocking)
        raise AnotherCni(
            f"another CNI is in charge: {names} ({'; '.join(first.evidence)})",
            hint=first.advice,
            detail="\n".join(f"{other.name}: {line}" for other in blocking for line in other.evidence),
        )


def taken_over(owner: owners.Owner | None, wanted: Wanted) -> str:
    """Whose Cilium the release takes over; empty when that was not asked for, or there is none of somebody else's.

    Raises:
        ForeignOwner: it was asked for, and the owner would put back what is changed.
    """
    if owner is None or not wanted.take_over:
        return ""
    if not owner.adoptable:
        error = owners.foreign(owner, "install")
        error.message += "; `--take-ownership` is only for what `kubectl apply` made"
        raise error
    return owner.tool


def stuck(found: Release) -> ReleaseStuck:
    """The error for a release that Helm left in the middle of an operation."""
    return ReleaseStuck(
        f"Helm release `{found.name}` revision {found.revision} is {found.status} since {found.updated[:19]}: "
        "an operation is at work, or was killed",
        hint="wait for it; when nobody is at work on it, `ciliumctl recover` shows what is applied and mends it",
    )


def unchanged(plan: Plan) -> bool:
    """Whether the release that is there is what is asked for.

    Raises:
        Exists: it is there and differs; the message names how.
    """
    there = plan.existing
    if there is None or there.status == "failed":
        return False
    same_chart = plan.chart.same_as(there.stored_chart)
    known_again = f"({plan.fingerprint})" in there.description
    changed = difference(there.config, plan.config)
    if same_chart and (known_again or not changed):
        return True
    ways = []
    if not same_chart:
        ways.append(f"chart {there.chart_version} is installed and {plan.chart.version} is asked for")
    if changed:
        listed = ", ".join(f"`{key}`" for key in changed[:5]) + (" …" if len(changed) > 5 else "")
        ways.append(f"{len(changed)} value{' differs' if len(changed) == 1 else 's differ'}: {listed}")
    command = spelled(plan.wanted, "upgrade", version="" if same_chart else plan.chart.version)
    raise Exists(
        f"Cilium is installed already, and differs: {'; '.join(ways)}",
        hint=f"`ciliumctl plan` shows what a change would do; change it with `{command}`",
    )
