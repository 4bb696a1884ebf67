"""What the commands that run the checks of `preflight` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ciliumctl.cli.commands import _installing

if TYPE_CHECKING:
    from ciliumctl import installation
    from ciliumctl.cli.session import Session
    from ciliumctl.preflight import Choice, NodeChecks
    from ciliumctl.preflight.result import FailOn


def choice(
    session: Session,
    *,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    suppress: Sequence[str] | None = None,
    baseline: str = "",
    fail_on: FailOn = "error",
    check_images: bool = False,
    external: bool = True,
    nodes: NodeChecks | None = None,
    some: bool = False,
) -> Choice:
    """Which checks run, and what is not told. Raises `UsageError` and `BadFile` before anything is asked."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from ciliumctl import preflight
    from ciliumctl.preflight.external import programs

    found = preflight.choice_of(
        only=only or (),
        skip=skip or (),
        suppress=preflight.suppressions(suppress or ()),
        fail_on=fail_on,
        check_images=check_images,
        external=external,
        programs=[program.name for program in (programs(session.environ) if external else [])],
        some=some,
    )
    if nodes is not None:
        found = replace(found, nodes=nodes)
    if baseline:
        known, expired = preflight.from_baseline(Path(baseline), datetime.now(UTC).date())
        found = replace(found, suppress=(*found.suppress, *known), notes=expired)
    return found


def gate(session: Session, choice: Choice) -> installation.Gate:
    """How the checks run, with what the programs of others need to reach the same cluster."""
    from ciliumctl import installation

    settings = session.settings
    given = {
        "KUBECONFIG": settings.kubeconfig,
        "CILIUMCTL_KUBECONFIG": settings.kubeconfig,
        "CILIUMCTL_CONTEXT": session.kube.context if settings.context else "",
        "CILIUMCTL_AS": settings.as_user,
    }
    return installation.Gate(
        choice=choice,
        storage=_installing.storage(session),
        environ=session.environ,
        address={name: value for name, value in given.items() if value},
    )
