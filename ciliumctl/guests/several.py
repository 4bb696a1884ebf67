"""Guests beside several pods at once, made on threads of their own: an interrupt reaches only who waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Interrupted
from ciliumctl.guests.leaving import part
from ciliumctl.guests.making import beside
from ciliumctl.guests.model import Guest, How
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter
from ciliumctl.wait import hurried

_AT_ONCE = 8
#: Seconds after an interrupt for those that are being made: one request, and what takes the guest away again.
_PATIENCE = 10.0


class Several:
    """Guests that end together; none is made any more once they do."""

    def __init__(self, kube: Kube, report: Reporter) -> None:
        self._kube, self._report = kube, report
        self._held: list[Guest] = []
        self._making = 0
        self._ended = False
        self._changed = threading.Condition()

    def beside(self, namespace: str, pod: str, how: How) -> Guest:
        """As `beside`; it stays until all end. Raises `Interrupted` when they have."""
        with self._changed:
            if self._ended:
                raise Interrupted(f"nothing is put beside the containers of `{namespace}/{pod}` any more")
            self._making += 1
        try:
            guest = beside(self._kube, namespace, pod, how, self._report)
            self._held.append(guest)
            return guest
        finally:
            with self._changed:
                self._making -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Let those that are about to start give up, and take all away."""
        with self._changed:
            self._ended = True
            if self._making:
                with hurried(self._kube):
                    self._changed.wait_for(lambda: not self._making, timeout=_PATIENCE)
        gather([partial(part, self._kube, guest, self._report) for guest in self._held], limit=_AT_ONCE)


@contextmanager
def several(kube: Kube, report: Reporter) -> Iterator[Several]:
    """Guests for the time of a block."""
    them = Several(kube, report)
    try:
        yield them
    finally:
        them.end()
