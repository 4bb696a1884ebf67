"""What the commands that forward a port have in common."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import typer

from ciliumctl.cli.output import emit
from ciliumctl.cli.session import Session
from ciliumctl.clients.kube import Forwarder, PodPort
from ciliumctl.errors import Terminated, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a forward listens."""

    kind: ClassVar[str] = "HubbleForward"

    address: str
    port: int
    url: str

    @property
    def ok(self) -> bool:
        """Always: it listens."""
        return True


def ports(text: str, default: int, remote: int) -> int:
    """The local port in `LOCAL`, `LOCAL:REMOTE` or `:REMOTE` (a free one). Raises `UsageError`."""
    if not text:
        return default
    local, _colon, asked = text.partition(":")
    if (local and not local.isdigit()) or (asked and not asked.isdigit()) or int(local or 0) > 65535:
        raise UsageError(f"`{text}` is not a port", hint="write 12000, 12000:80, or :0 for a free port")
    if asked and int(asked) not in {0, remote}:
        raise UsageError(f"the service's port is {remote}, not {asked}", hint=f"write {local or 0}:{remote}")
    return int(local or 0)


def forward(session: Session, target: Callable[[], PodPort], *, address: str, port: int, what: str) -> Forwarder:
    """Listen and connect once; a busy port's error says who asks for it."""
    session.deadline(0)
    try:
        forwarder = session.kube.forward(target, address=address, port=port, say=session.report.note)
    except UsageError as error:
        raise UsageError(f"{what}: {error.message}", hint=error.hint) from error
    try:
        forwarder.start()
    except BaseException:
        forwarder.stop()
        raise
    return forwarder


def page(forwarder: Forwarder) -> str:
    """The address of a page that is forwarded."""
    host = "localhost" if forwarder.address in {"127.0.0.1", "::1"} else forwarder.address
    return f"http://{host}:{forwarder.port}"


def serve(session: Session, forwarder: Forwarder, where: str, *, browser: bool = False) -> NoReturn:
    """Say where it listens and serve, as `until_interrupted` does.

    With `browser` the page is opened where somebody looks at a terminal.
    """

    def say() -> None:
        if session.settings.output in {"json", "yaml"}:
            found = Listening(address=forwarder.address, port=forwarder.port, url=where)
            session.write(found, lambda _out, _result: None)
        else:
            emit(f"{where}\n")

    until_interrupted(session, forwarder, say, browse=where if browser else "")


def until_interrupted(session: Session, forwarder: Forwarder, say: Callable[[], None], *, browse: str = "") -> NoReturn:
    """Say where it listens, at once: a script waits for that. Then serve until Ctrl-C or SIGTERM.

    These are the normal end from the first word on. The page `browse` is opened where somebody looks at a terminal.
    """
    try:
        say()
        session.report.note("forwarding; Ctrl-C ends it")
        if browse and session.interactive:
            webbrowser.open(browse)
        forwarder.wait()
    except (KeyboardInterrupt, Terminated):
        raise typer.Exit(0) from None
    finally:
        forwarder.stop()
    raise typer.Exit(0)
