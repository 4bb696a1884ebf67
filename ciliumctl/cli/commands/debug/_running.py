"""Run a command in a container as if it ran here: at this terminal, in this pipe, or for a program that reads JSON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ciliumctl.cli import terminal
from ciliumctl.cli.output import Writer
from ciliumctl.errors import CiliumctlError, UsageError
from ciliumctl.wait import overtime

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.guests import DebugRun

#: The better shell that the image has; one that is not interactive reads what comes on standard input.
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
# Bytes kept of each stream for `-o json`.
_KEPT = 8 * 1024**2
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A container, and the mark on what is started in it."""

    namespace: str
    pod: str
    container: str
    node: str
    session: str


def check(session: Session, words: Sequence[str]) -> bool:
    """Whether somebody sits at a terminal here. Raises `UsageError` where there is nothing to run."""
    session.allow()
    at_terminal = terminal.is_ours() and not session.settings.no_input
    if not words and session.settings.output in {"json", "yaml"}:
        raise UsageError(f"`-o {session.settings.output}` is for a command", hint="name it after `--`")
    if not words and not at_terminal and not _is_piped(session):
        more = "; `--no-input` reads no script" if session.settings.no_input else ", or pipe a script into it"
        raise UsageError("there is no terminal for a shell, and no command", hint=f"name one after `--`{more}")
    return at_terminal and session.settings.output not in {"json", "yaml"}


def _is_piped(session: Session) -> bool:
    """Whether standard input is the command's; with `--no-input` it stays whoever's it is, such as a loop's."""
    return terminal.has_input() and not session.settings.no_input


def run(session: Session, where: Where, words: Sequence[str], *, at_terminal: bool) -> int:
    """Run a command, or a shell, to its end; returns its exit code. One exec.

    Raises:
        ClusterError: it could not be started, or the connection was cut. TimedOut: `--timeout` passed.
    """
    marked = ["env", f"CILIUMCTL_SESSION={where.session}"]
    if at_terminal:
        marked.append(f"TERM={session.environ.get('TERM', 'xterm')}")
    stdin = at_terminal or _is_piped(session)
    machine = session.settings.output in {"json", "yaml"}
    kept = _Kept()
    with session.kube.open_exec(
        where.namespace,
        where.pod,
        [*marked, *(words or SHELL)],
        container=where.container,
        stdin=stdin,
        tty=at_terminal,
    ) as running:
        if stdin and not at_terminal and not running.ends_input:
            session.report.warn("this API server cannot say that standard input has ended (Kubernetes before 1.30)")
        write = kept.write if machine else terminal.write
        code = terminal.attach(running, session.kube.deadline, at_terminal=at_terminal, stdin=stdin, write=write)
    if machine:
        session.write(kept.result(where, words, code), render)
    return code


def end(session: Session, where: Where) -> None:
    """End what was left running in a container that stays; best done after an interrupt."""
    from ciliumctl import guests

    with suppress(CiliumctlError), overtime(session.kube, seconds=_PATIENCE):
        guests.end_session(session.kube, where.namespace, where.pod, where.container, where.session)


class _Kept:
    """What a command writes, up to a limit."""

    def __init__(self) -> None:
        self._streams = {"stdout": bytearray(), "stderr": bytearray()}
        self._truncated = False

    def write(self, channel: str, piece: bytes) -> bool:
        """Keep a piece, or what fits of it."""
        stream = self._streams[channel]
        fits = piece[: _KEPT - len(stream)]
        self._truncated = self._truncated or len(fits) < len(piece)
        stream += fits
        return True

    def result(self, where: Where, words: Sequence[str], code: int) -> DebugRun:
        """What the command did."""
        from ciliumctl.guests import DebugRun

        return DebugRun(
            namespace=where.namespace,
            pod=where.pod,
            container=where.container,
            node=where.node,
            command=tuple(words),
            exit_code=code,
            stdout=self._streams["stdout"].decode("utf-8", "replace"),
            stderr=self._streams["stderr"].decode("utf-8", "replace"),
            truncated=self._truncated,
        )


def render(out: Writer, result: DebugRun) -> None:
    """Never asked for: as text, the command's own output is what is shown."""
    out.text(result.stdout)
