"""What the commands that ask a chart about values work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.values.lint.running import Means


def means(session: Session, *, render: bool, needed: bool) -> Means:
    """With helm where it is there; asked for only where nothing goes without it."""
    from ciliumctl import tools
    from ciliumctl.values.lint.running import Means

    found = tools.look_for_helm(explicit=session.settings.helm, folder=session.cache / "bin", environ=session.environ)
    helm = session.helm if needed or (render and found) else None
    if render and helm is None:
        session.report.warn(
            "helm is not there, so the chart's own validation is not asked", hint="`ciliumctl tools install helm`"
        )
    return Means(helm=helm, web=session.web, cache=session.cache, report=session.report, render=render)
