"""Write logs as they are read: text with a prefix and a colour for each node, or an envelope a line."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

import typer

from ciliumctl import logs
from ciliumctl.cli.output import emit, envelope, harmless, plain, wants_color
from ciliumctl.cli.session import Session
from ciliumctl.errors import Terminated, UsageError

# Not red and not yellow: these are for what lines say.
_NODES = ("36", "35", "32", "34", "96", "95", "92", "94")
_LEVELS = {"warning": "33", "error": "31", "fatal": "1;31", "debug": "2", "trace": "2"}
# Of these the container goes without saying.
_MAIN = {"agent": "cilium-agent", "operator": "cilium-operator", "envoy": "cilium-envoy", "relay": "hubble-relay"}
# The colours that programs write by themselves: we have our own, and a file has none.
_SGR = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What stands in front of a line."""

    timestamps: bool
    prefix: bool


def moment(text: str) -> str:
    """A moment as the API wants it; one without a zone is UTC. Raises `UsageError`."""
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{text}` is no moment", hint="write 2026-01-02T15:04:05Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(
    session: Session,
    sources: Sequence[logs.Source],
    part: logs.Part,
    sieve: logs.Sieve,
    show: Shown,
    *,
    parallel: int,
) -> NoReturn:
    """Write the logs, and end."""
    failures: list[logs.Failure] = []
    lines = logs.read(session.kube, sources, part, sieve, session.report, parallel=parallel, failures=failures)
    _write(session, lines, show)
    _end(session, failures, len(sources))


def follow(
    session: Session,
    wanted: logs.Wanted,
    sources: Sequence[logs.Source],
    part: logs.Part,
    sieve: logs.Sieve,
    show: Shown,
    *,
    most: int,
) -> NoReturn:
    """Write what comes until Ctrl-C, which is the normal end."""
    if len(sources) > most:
        raise UsageError(
            f"{len(sources)} logs would be followed, and {most} is the most",
            hint=f"choose a component or `--node`, or say `--max-log-requests {len(sources)}`",
        )
    follower = logs.Follower(session.kube, wanted, sieve, session.report, most=most)
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        _write(session, follower.follow(sources, part), show)
    _end(session, follower.failures, max(follower.total, 1))


def _write(session: Session, batches: Iterable[Sequence[logs.LogLine]], show: Shown) -> None:
    form = _Form(session, show)
    for batch in batches:
        if not emit("".join(map(form.line, batch))):
            # Nobody reads any more.
            return


def _end(session: Session, failures: Sequence[logs.Failure], total: int) -> NoReturn:
    error = logs.incomplete(failures, total)
    if error is None:
        raise typer.Exit(0)
    for failure in failures if total > 1 else ():
        session.report.warn(str(failure), grave=True)
    raise error


class _Form:
    """How a line is written, for one format and one terminal."""

    def __init__(self, session: Session, show: Shown) -> None:
        self._show = show
        self._output = session.settings.output
        self._color = wants_color(session.settings.color, sys.stdout, session.environ)
        self._colors: dict[str, str] = {}

    def line(self, line: logs.LogLine) -> str:
        """One line, with its end."""
        if self._output == "json":
            return json.dumps(envelope(line.kind, line), separators=(",", ":")) + "\n"
        if self._output == "yaml":
            from ciliumctl import yaml_files

            return "---\n" + yaml_files.dump(envelope(line.kind, line))
        said = plain(harmless(_SGR.sub("", line.line)), sys.stdout.encoding)
        time = f"{line.time or '-':<30} " if self._show.timestamps else ""
        return f"{time}{self._prefix(line)}{self._painted(said, _LEVELS.get(line.level, ''))}\n"

    def _prefix(self, line: logs.LogLine) -> str:
        if not self._show.prefix:
            return ""
        color = self._colors.setdefault(line.node, _NODES[len(self._colors) % len(_NODES)])
        container = "" if line.container == _MAIN.get(line.component) else f"/{line.container}"
        return self._painted(f"[{line.node} {line.pod}{container}]", color) + " "

    def _painted(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._color and color and text else text
