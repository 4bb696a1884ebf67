"""What the lab commands have in common: where labs are kept, and how their programs are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ciliumctl import tools
from ciliumctl.cli.session import Session
from ciliumctl.clients.helm import Helm, HelmOptions
from ciliumctl.lab import Labs, Programs
from ciliumctl.lab import kubeconfig as files


def labs(session: Session) -> Labs:
    """The labs of this user."""
    return Labs(session.cache / "labs")


def programs(session: Session) -> Programs:
    """Find, fetch or build programs."""
    return lambda names: tools.programs(
        names, folder=session.cache / "bin", web=session.web, report=session.report, environ=session.environ
    )


def helm(session: Session) -> Callable[[Path], Helm]:
    """A helm without a cluster."""
    return lambda executable: Helm(HelmOptions(executable=str(executable)), environ=session.environ)


def kubeconfig(session: Session) -> Path:
    """The file that a lab's context goes into."""
    return files.target(session.settings.kubeconfig, session.environ)
