"""Progress as events: the domain tells a `Reporter` what happens, a sink decides how it looks.

A sink is any callable that takes an event; tests use `events.append`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step begins; `key` is unique within the run."""

    key: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """A step moved: `detail` is one short phrase, `lines` say more (one object each).

    `done` and `total` are set for work that can be counted, in bytes or items. `fleeting` is only worth a look where it
    is redrawn: other lines tell the same.
    """

    key: int
    detail: str = ""
    lines: tuple[str, ...] = ()
    done: float | None = None
    total: float | None = None
    fleeting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """A step ended after `seconds`."""

    key: int
    title: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth knowing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that may go wrong, with what to do about it; `grave` is said even to who wants to hear nothing."""

    text: str
    hint: str = ""
    grave: bool = False


Event = StepStarted | StepProgress | StepEnded | Note | Warned
Sink = Callable[[Event], None]


class Step:
    """The handle on a running step: call it with what is going on."""

    def __init__(self, sink: Sink, key: int) -> None:
        self._sink = sink
        self._key = key
        self.outcome: Outcome = "done"
        self.detail = ""

    def __call__(
        self,
        detail: str = "",
        lines: Sequence[str] = (),
        *,
        done: float | None = None,
        total: float | None = None,
    ) -> None:
        """Tell how far the step is."""
        self.detail = detail or self.detail
        self._sink(StepProgress(key=self._key, detail=detail, lines=tuple(lines), done=done, total=total))

    def glance(self, detail: str, lines: Sequence[str] = ()) -> None:
        """Tell what is going on right now, where that is redrawn; nowhere else."""
        self._sink(StepProgress(key=self._key, detail=detail, lines=tuple(lines), fleeting=True))

    def finish(self, detail: str, *, outcome: Outcome = "done") -> None:
        """Set what the step's last line says."""
        self.detail = detail
        self.outcome = outcome


class Reporter:
    """Turns what the domain does into events for one sink."""

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._keys = itertools.count(1)
        #: What to do after an interrupt, as things stand now; shown when one comes.
        self.resume = ""

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Report a step; it fails when its block raises."""
        key = next(self._keys)
        started = self._clock()
        self._sink(StepStarted(key=key, title=title))
        step = Step(self._sink, key)
        outcome: Outcome = "failed"
        try:
            yield step
            outcome = step.outcome
        finally:
            self._sink(
                StepEnded(
                    key=key,
                    title=title,
                    outcome=outcome,
                    detail=step.detail,
                    seconds=self._clock() - started,
                )
            )

    def ended(self, title: str, outcome: Outcome, detail: str, seconds: float) -> None:
        """Report a step of which only the end is worth a line."""
        self._sink(StepEnded(key=next(self._keys), title=title, outcome=outcome, detail=detail, seconds=seconds))

    def note(self, text: str) -> None:
        """Say something worth knowing."""
        self._sink(Note(text=text))

    def warn(self, text: str, hint: str = "", *, grave: bool = False) -> None:
        """Say what may go wrong, and what to do about it; `grave` where a secret or worse is at stake."""
        self._sink(Warned(text=text, hint=hint, grave=grave))
