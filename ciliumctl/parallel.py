"""Run independent calls at the same time, on threads that never hold up an interrupt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def gather(calls: Sequence[Callable[[], T]], *, limit: int = 32) -> list[T | Exception]:
    """Run every call, at most `limit` at once.

    Returns results in the order of `calls`; a call that raised has its exception in its place. The threads are
    daemons: on Ctrl-C the caller leaves at once instead of waiting for requests in flight.
    """
    results: list[T | Exception] = [RuntimeError("not run")] * len(calls)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(calls)):
        todo.put(index)

    def work() -> None:
        while True:
            try:
                index = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[index] = calls[index]()
            except Exception as error:  # noqa: BLE001 - handed to the caller, who decides
                results[index] = error
            finished.put(index)

    for _ in range(min(limit, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    for _ in calls:
        finished.get()
    return results


def gather_all(calls: Sequence[Callable[[], T]], *, limit: int = 32) -> list[T]:
    """Like `gather`, but raise the first failure."""
    results: list[T] = []
    for result in gather(calls, limit=limit):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    return results
