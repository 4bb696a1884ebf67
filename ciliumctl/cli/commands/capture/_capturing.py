"""What `capture run` refuses, where a stream goes, and what it shows."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.capture import Capture, Captured, Limits, Stream
    from ciliumctl.cli.session import Session


def refuse(
    session: Session,
    limits: Limits,
    names: tuple[str, ...],
    expression: str,
    *,
    streamed: bool,
    selector: str,
    flows: bool | None,
) -> None:
    """Refuse what makes no sense before anything is asked."""
    from ciliumctl import capture

    if not names and not selector:
        word = expression.split(maxsplit=1)[0] if expression else ""
        said = f"`{word}` is no target" if word else "no target is named"
        raise UsageError(said, hint=f"a target comes first: `ciliumctl capture pod/{word or 'NAME'}`, or `-l LABELS`")
    if not 1 <= limits.seconds <= capture.LONGEST:
        raise UsageError("a capture lasts from 1 s to 24 h", hint="`--duration 24h`")
    timeout = session.settings.timeout
    if timeout and timeout < limits.seconds:
        raise UsageError(
            f"`--timeout` ends it after {timeout:.0f} s, before `--duration` ({limits.seconds:.0f} s)",
            hint="leave `--timeout` away, or make it longer",
        )
    if streamed and flows:
        raise UsageError("flows have no place in a stream of packets", hint="`-w FILE` writes them beside it")
    if streamed and session.settings.output != "table":
        raise UsageError(f"`-w -` and `-o {session.settings.output}` both want standard output", hint="`-w FILE`")
    if streamed and sys.stdout.isatty():
        raise UsageError("packets are nothing for a terminal", hint="`-w FILE`, or `-w - | wireshark -k -i -`")


def stdout(*, merge: bool) -> Stream:
    """Standard output as a stream of packets, and whether anybody still reads it."""
    import select

    from ciliumctl.capture import Stream

    reading = select.poll()
    reading.register(sys.stdout.fileno(), 0)
    return Stream(
        out=sys.stdout.buffer,
        gone=lambda: any(event & select.POLLERR for _number, event in reading.poll(0)),
        merge=merge,
    )


def let_go() -> None:
    """Leave what could not be written unwritten: Python would try once more at its end, and end with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def render(out: Writer, result: Capture) -> None:
    """What came of each target, or what would be created for it."""
    if result.dry_run:
        _plan(out, result)
        return
    rows = [
        (
            one.target,
            one.node,
            one.method or "-",
            str(one.packets),
            "-" if one.dropped is None else str(one.dropped),
            one.ended or "-",
        )
        for one in result.targets
    ]
    out.table(("target", "node", "by", "packets", "dropped", "ended"), rows)
    out.line()
    for one in result.targets:
        if one.file and one.file != "-" and not result.merged:
            out.line(("written: ", "good"), f"{one.file} ({one.bytes} bytes)")
        _notes(out, one)
    if result.merged and result.merged != "-":
        out.line(("written: ", "good"), result.merged)
    for file in dict.fromkeys(one.flows for one in result.targets if one.flows):
        count = sum(one.flow_count for one in result.targets if one.flows == file)
        out.line(("flows: ", "good"), f"{file} ({count})")


def _plan(out: Writer, result: Capture) -> None:
    out.table(
        ("target", "node", "by", "interface", "creates"),
        [
            (one.target, one.node, one.method or "-", one.interface or "-", one.makes or one.reason or "nothing")
            for one in result.targets
        ],
    )
    for one in result.targets:
        for why in one.passed_over:
            out.line((f"{one.target}: ", "dim"), why)


def _notes(out: Writer, one: Captured) -> None:
    """What is to be said of one target beside its numbers."""
    if one.reason:
        out.line((f"{one.target}: ", "bad"), one.reason)
    if one.dropped:
        why = "packets were dropped before tcpdump saw them: a filter or `--snaplen 128` makes less"
        out.line((f"{one.target}: ", "warn"), f"{one.dropped} {why}")
    if one.missing:
        out.line((f"{one.target}: ", "dim"), one.missing if one.flows else f"no flows: {one.missing}")
