"""What the commands that work with the chart and its values have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ciliumctl import charts, installation, status
    from ciliumctl.cli.options import ChartOptions, ValuesOptions
    from ciliumctl.cli.session import Session
    from ciliumctl.clients.helm import SetFlag, SetKind
    from ciliumctl.clients.kube import Resource

_KINDS: tuple[SetKind, ...] = ("set", "set-string", "set-file", "set-json")


def wanted(
    session: Session,
    which: ChartOptions,
    given: ValuesOptions,
    *,
    detect: bool = False,
    translate: bool = False,
    take_over: bool = False,
) -> installation.Wanted:
    """What the user asks for: which chart, and the values that are given.

    Raises:
        UsageError: the version is none, or a values file cannot be read.
    """
    from ciliumctl import charts, installation

    charts.check_version(which.version)
    asked = installation.Wanted(
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        chart=request(which),
        presets=tuple(given.preset or ()),
        files=tuple(given.values or ()),
        flags=set_flags((given.set, given.set_string, given.set_file, given.set_json)),
        detect=detect,
        translate=translate,
        take_over=take_over,
    )
    installation.check_files(asked)
    return asked


def request(which: ChartOptions) -> charts.Request:
    """The chart that is asked for."""
    from ciliumctl.charts import Request

    return Request(version=which.version, chart=which.chart, repository=which.repository)


def set_flags(flags: Sequence[Sequence[str] | None]) -> tuple[SetFlag, ...]:
    """The texts of --set, --set-string, --set-file and --set-json, in this order, as flags for Helm."""
    from ciliumctl.clients.helm import SetFlag

    return tuple(
        SetFlag(kind=kind, text=text) for kind, texts in zip(_KINDS, flags, strict=True) for text in texts or ()
    )


def means(session: Session) -> installation.Means:
    """What the work is done with."""
    from ciliumctl import installation

    return installation.Means(helm=session.helm, web=session.web, cache=session.cache, report=session.report)


def where(session: Session) -> status.Where:
    """Which installation the command is about."""
    from ciliumctl import status

    return status.Where(
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        storage=storage(session),
    )


def storage(session: Session) -> Resource:
    """Where Helm keeps its releases."""
    from ciliumctl import release

    return release.storage(session.environ)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the time of the command."""
    with tempfile.TemporaryDirectory(prefix="ciliumctl-") as folder:
        yield Path(folder)
