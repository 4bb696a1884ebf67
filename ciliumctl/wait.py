"""Time: the one deadline a command has, and the only loop that sleeps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in monotonic time, in seconds; `math.inf` for none."""

    at: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The deadline `seconds` from now; none for `None` or 0, as with kubectl."""
        return cls(clock() + seconds if seconds else math.inf, clock)

    def within(self, seconds: float) -> Deadline:
        """This deadline, or the one `seconds` from now when that is sooner; one that has passed stays passed."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    def left(self, cap: float = math.inf) -> float:
        """Seconds left, at most `cap`, never below 0."""
        return max(0.0, min(cap, self.at - self.clock()))

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left() <= 0


class Timed(Protocol):
    """A client whose calls end with a deadline."""

    deadline: Deadline


@contextmanager
def overtime(*clients: Timed, seconds: float) -> Iterator[None]:
    """Give clients at least `seconds` for the block: for tidying up, or a last look, after the time was up.

    Of several blocks at the same time, on threads, the end of one does not end the time of another.
    """
    longer = Deadline.after(seconds)
    given = [(client, client.deadline) for client in clients if client.deadline.left(seconds) < seconds]
    for client, _before in given:
        client.deadline = longer
    try:
        yield
    finally:
        for client, before in given:
            if client.deadline is longer:
                client.deadline = before


@contextmanager
def hurried(client: Timed) -> Iterator[None]:
    """Leave a client no time for the block: what is about to start or wait on other threads gives up."""
    before, client.deadline = client.deadline, Deadline.after(0.01)
    try:
        yield
    finally:
        client.deadline = before


def poll(
    probe: Callable[[], T],
    done: Callable[[T], bool],
    *,
    deadline: Deadline,
    interval: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Look, and look again every `interval` seconds until `done` or the deadline.

    Looks at least once, before anything is waited for. Returns the last value, done or not.
    """
    while True:
        value = probe()
        if done(value):
            return value
        left = deadline.left()
        if left <= 0:
            return value
        sleep(min(interval, left))
