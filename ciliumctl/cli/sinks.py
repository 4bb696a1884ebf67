"""How progress looks: a live region, plain lines, GitHub's commands or JSON lines, always on standard error."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from ciliumctl.cli.output import Cell, Writer, harmless, plain
from ciliumctl.report import Event, Note, Sink, StepEnded, StepProgress, StepStarted, Warned

HEARTBEAT = 60.0
_SIGNS = {"done": ("✔ ", "good"), "failed": ("✗ ", "bad"), "skipped": ("• ", "dim")}
_LIVE_LINES = 8
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_QUARTER = 0.25


def choose(choice: str, *, quiet: bool, stream: TextIO, color: bool, environ: Mapping[str, str]) -> Sink:
    """The sink for this run: live only on a terminal that can move its cursor, outside of CI."""
    if choice == "json" and not quiet:
        return lambda event: _json_line(event, stream)
    writer = Writer(stream, color=color)
    if quiet or choice == "none":
        return lambda event: _only_grave(event, PlainSink(writer))
    if choice == "auto" and stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("CI"):
        return LiveSink(stream, writer, color=color)
    if environ.get("GITHUB_ACTIONS") == "true":
        return PlainSink(writer, warn=lambda event: _github(event, stream))
    return PlainSink(writer)


def _only_grave(event: Event, sink: Sink) -> None:
    """Who wants to hear nothing still hears that a secret is where others can read it."""
    if isinstance(event, Warned) and event.grave:
        sink(event)


def _json_line(event: Event, stream: TextIO) -> None:
    data = {"event": type(event).__name__, "time": time.time(), **dataclasses.asdict(event)}
    stream.write(json.dumps(data) + "\n")
    stream.flush()


def github_escape(text: str) -> str:
    """Text as GitHub's workflow commands take it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github(event: Warned, stream: TextIO) -> None:
    text = f"{event.text} ({event.hint})" if event.hint else event.text
    stream.write(f"::warning title=ciliumctl::{github_escape(text)}\n")
    stream.flush()


def duration(seconds: float) -> str:
    """Seconds as `4.2s` or `4m10s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"


def size(count: float) -> str:
    """Bytes as `12.3 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _amount(event: StepProgress) -> str:
    if event.done is None:
        return ""
    return f"{size(event.done)} of {size(event.total)}" if event.total else size(event.done)


class PlainSink:
    """One line for each change, identical ones left out; a sign of life a minute."""

    def __init__(
        self,
        writer: Writer,
        *,
        warn: Callable[[Warned], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._warn = warn
        self._clock = clock
        self._lock = threading.Lock()
        self._titles: dict[int, str] = {}
        self._started: dict[int, float] = {}
        self._spoken: dict[int, float] = {}
        self._last: dict[int, object] = {}

    def __call__(self, event: Event) -> None:
        """Write what the event changes."""
        with self._lock:
            if isinstance(event, StepStarted):
                self._titles[event.key] = event.title
                self._started[event.key] = self._spoken[event.key] = self._clock()
                self._writer.line(("• ", "dim"), event.title)
            elif isinstance(event, StepProgress):
                if not event.fleeting:
                    self._progress(event)
            elif isinstance(event, StepEnded):
                self._writer.line(*ended(event))
            elif isinstance(event, Note):
                self._writer.line("  ", event.text)
            elif self._warn is not None:
                self._warn(event)
            else:
                for line in warned(event):
                    self._writer.line(*line)

    def _progress(self, event: StepProgress) -> None:
        now = self._clock()
        if event.done is not None:
            quarter = int(event.done / event.total / _QUARTER) if event.total else 0
            state: object = quarter
        else:
            state = (event.detail, event.lines)
        if state != self._last.get(event.key):
            first = event.key not in self._last
            self._last[event.key] = state
            if event.done is None or (not first and event.total):
                self._speak(event, now, "")
        elif now - self._spoken[event.key] >= HEARTBEAT:
            waited = duration(now - self._started[event.key])
            self._speak(event, now, f"still at it after {waited}: ")

    def _speak(self, event: StepProgress, now: float, prefix: str) -> None:
        self._spoken[event.key] = now
        self._writer.line("  ", prefix, event.detail or _amount(event) or self._titles.get(event.key, ""))
        for line in event.lines:
            self._writer.line("    ", line)


def ended(event: StepEnded) -> list[Cell]:
    """The last line of a step."""
    detail = f": {event.detail}" if event.detail else ""
    return [_SIGNS[event.outcome], event.title, detail, (f"  ({duration(event.seconds)})", "dim")]


def warned(event: Warned) -> list[list[Cell]]:
    """The lines of a warning."""
    lines: list[list[Cell]] = [[("⚠ ", "warn"), event.text]]
    if event.hint:
        lines.append([("  hint: ", "dim"), event.hint])
    return lines


class LiveSink:
    """Running steps in a region that is redrawn; what is over stands above it."""

    def __init__(self, stream: TextIO, writer: Writer, *, color: bool) -> None:
        self._stream = stream
        self._writer = writer
        self._color = color
        self._lock = threading.RLock()
        # Replaced, never changed: rich's own thread reads it, which must not wait for our lock (we wait for its).
        self._running: Mapping[int, tuple[str, float, StepProgress | None]] = {}
        self._live: Any = None

    def __call__(self, event: Event) -> None:
        """Draw what the event changes."""
        with self._lock:
            if isinstance(event, StepStarted):
                self._running = {**self._running, event.key: (event.title, time.monotonic(), None)}
                self._start()
            elif isinstance(event, StepProgress):
                title, started, _last = self._running[event.key]
                self._running = {**self._running, event.key: (title, started, event)}
            elif isinstance(event, StepEnded):
                self._running = {key: one for key, one in self._running.items() if key != event.key}
                self._above([ended(event)])
                if not self._running:
                    self._stop()
            elif isinstance(event, Note):
                self._above([["  ", event.text]])
            else:
                self._above(warned(event))

    def _start(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, force_terminal=True, no_color=not self._color, highlight=False)
        self._live = Live(
            get_renderable=self._region,
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _above(self, lines: list[list[Cell]]) -> None:
        """Write lasting lines above the region."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        for line in lines:
            self._writer.line(*line)
        self._stream.flush()
        if live is not None and self._running:
            self._start()

    def _region(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        frames = plain(_SPINNER, self._stream.encoding)
        frame = "-\\|/"[int(now * 8) % 4] if "?" in frames else frames[int(now * 8) % len(frames)]
        drawn = []
        for title, started, progress in self._running.values():
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(f"{frame} ", style="cyan" if self._color else "")
            line.append(title)
            if progress is not None and (said := progress.detail or _amount(progress)):
                line.append(f"  {harmless(said)}")
            line.append(f"  {duration(now - started)}", style="dim" if self._color else "")
            drawn.append(line)
            lines = progress.lines if progress is not None else ()
            drawn += [Text(f"    {harmless(text)}", no_wrap=True, overflow="ellipsis") for text in lines[:_LIVE_LINES]]
            if len(lines) > _LIVE_LINES:
                drawn.append(Text(f"    and {len(lines) - _LIVE_LINES} more"))
        return Group(*drawn)
