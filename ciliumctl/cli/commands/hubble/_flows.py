"""Flows as text: Hubble's own forms, `compact`, `dict` and `table` (hubble/pkg/printer); and the JSON envelope."""

from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Cell, Writer, as_json, emit, envelope, wants_color
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.errors import CiliumctlError
    from ciliumctl.hubble.flow import Flow, Side
    from ciliumctl.hubble.observing import Flows

#: How many flows are held at most for a form that needs all of them at once: some 20 kB each.
MOST = 20_000
_STYLES = {
    "FORWARDED": "good",
    "REDIRECTED": "good",
    "ALLOWED": "good",
    "DROPPED": "bad",
    "DENIED": "bad",
    "ERROR": "bad",
    "AUDIT": "warn",
    "AUDITED": "warn",
    "TRACED": "warn",
    "TRANSLATED": "warn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How flows are shown."""

    output: str = "compact"
    time_format: str = "StampMilli"
    node: bool = False
    translate: bool = True


def nothing(_out: Writer, _result: Flows) -> None:
    """Flows are written as they come, not at the end."""


def verdict_of(flow: Flow) -> str:
    """The verdict as `hubble` prints it: of a rule's, `ALLOWED`, `DENIED` or `AUDITED`."""
    from ciliumctl.hubble.flow import OUTCOMES, VERDICT

    outcome = OUTCOMES.get(flow.verdict) if flow.event == VERDICT else None
    return outcome.upper() if outcome else flow.verdict


def ends(flow: Flow, form: Form) -> tuple[str, str]:
    """What the two ends are called, with their ports."""

    def end(side: Side) -> str:
        host = side.host if form.translate else side.ip
        if not side.port:
            return host
        return f"[{host}]:{side.port}" if ":" in host else f"{host}:{side.port}"

    return end(flow.source), end(flow.destination)


def _identity(side: Side) -> str:
    from ciliumctl.hubble.flow import RESERVED

    name = RESERVED.get(side.identity)
    return f"({name})" if name else f"(ID:{side.identity})"


def _summary(flow: Flow) -> str:
    auth = str(flow.raw.get("auth_type") or "DISABLED")
    return flow.summary if auth == "DISABLED" else f"{flow.summary}; Auth: {auth}"


def compact(flow: Flow, form: Form) -> list[Cell]:
    """One line a flow. An answer is shown from its receiver, with the arrow turned."""
    from ciliumctl.hubble.flow import kind_of
    from ciliumctl.hubble.times import show

    left, right = ends(flow, form)
    left_id, right_id = _identity(flow.source), _identity(flow.destination)
    arrow = "<>" if flow.is_reply is None else "->"
    if flow.is_reply:
        left, right, left_id, right_id, arrow = right, left, right_id, left_id, "<-"
    node = f" [{flow.node}]" if form.node else ""
    verdict = verdict_of(flow)
    return [
        (f"{show(flow.moment, form.time_format)}{node}: ", ""),
        (left, "head"),
        (f" {left_id}", "dim"),
        f" {arrow} ",
        (right, "head"),
        (f" {right_id}", "dim"),
        f" {kind_of(flow)} ",
        (verdict, _STYLES.get(verdict, "")),
        f" ({_summary(flow)})",
    ]


def _record(flow: Flow, form: Form) -> list[tuple[str, Cell]]:
    from ciliumctl.hubble.flow import kind_of
    from ciliumctl.hubble.times import show

    source, destination = ends(flow, form)
    verdict = verdict_of(flow)
    return [
        ("TIMESTAMP", show(flow.moment, form.time_format)),
        *([("NODE", flow.node)] if form.node else []),
        ("SOURCE", source),
        ("DESTINATION", destination),
        ("TYPE", kind_of(flow)),
        ("VERDICT", (verdict, _STYLES.get(verdict, ""))),
        ("SUMMARY", _summary(flow)),
    ]


def write(session: Session, flows: Iterable[Flow], form: Form) -> int:
    """Write flows to standard output as they come, until nobody reads any more. Returns how many."""
    if form.output == "table":
        rows = [_record(flow, form) for flow in bounded(flows, "table")]
        _emit_table(session, rows)
        return len(rows)
    one = _writer(session, form)
    number = 0
    for flow in flows:
        number += 1
        if not one(flow, number):
            break
    return number


def bounded(flows: Iterable[Flow], output: str) -> Iterator[Flow]:
    """The flows, for a form that holds all of them. Raises `UsageError` when they are too many for that."""
    for number, flow in enumerate(flows):
        if number == MOST:
            raise UsageError(
                f"there are more than {MOST} flows, and `-o {output}` holds all of them in memory",
                hint="`-o jsonpb` writes them as they come; `--last N` shows the newest",
            )
        yield flow


def stream(about: Flows, flows: Iterable[Flow], error: CiliumctlError | None) -> None:
    """Write the envelope around flows as they come, as it would be written with all of them in `about`."""
    # A quotation mark inside of a string has a backslash in front: this is the field.
    before, empty, after = as_json(envelope(about.kind, about, error)).partition('"flows": []')
    emit(before + empty[:-1])
    number = 0
    for number, flow in enumerate(flows, start=1):
        text = textwrap.indent(as_json(flow.raw).rstrip("\n"), " " * 6)
        if not emit(f"{',' if number > 1 else ''}\n{text}"):
            return
    emit(("\n    ]" if number else "]") + after)


def _writer(session: Session, form: Form) -> Callable[[Flow, int], bool]:
    if form.output == "jsonpb":
        return lambda flow, _number: emit(flow.line.rstrip("\n") + "\n")

    def text(flow: Flow, number: int) -> bool:
        buffer, out = _buffer(session)
        if form.output == "dict":
            if number > 1:
                out.line("------------")
            for name, value in _record(flow, form):
                out.line(f"{name:>11}: ", value)
        else:
            out.line(*compact(flow, form))
        return emit(buffer.getvalue())

    return text


def _emit_table(session: Session, rows: list[list[tuple[str, Cell]]]) -> None:
    if not rows:
        return
    buffer, out = _buffer(session)
    out.table([name for name, _value in rows[0]], [[value for _name, value in row] for row in rows])
    emit(buffer.getvalue())


def _buffer(session: Session) -> tuple[io.StringIO, Writer]:
    buffer = io.StringIO()
    color = wants_color(session.settings.color, sys.stdout, session.environ)
    return buffer, Writer(buffer, color=color, encoding=sys.stdout.encoding, address=session.addressed)
