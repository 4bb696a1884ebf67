"""Run independent calls at the same time, on threads that never hold up an interrupt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


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


def beside(here: Callable[[], A], there: Callable[[], B]) -> tuple[A, B]:
    """Run one call on this thread, which an interrupt reaches, and another on its own; raise the first failure."""
    answers: queue.SimpleQueue[B | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(there())
        except Exception as error:  # noqa: BLE001 - raised by the caller
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    first = here()
    second = answers.get()
    if isinstance(second, Exception):
        raise second
    return first, second


@overload
def together(first: Callable[[], A], second: Callable[[], B], /) -> tuple[A, B]: ...
@overload
def together(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], /) -> tuple[A, B, C]: ...
@overload
def together(
    first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], fourth: Callable[[], D], /
) -> tuple[A, B, C, D]: ...
@overload
def together(
    first: Callable[[], A],
    second: Callable[[], B],
    third: Callable[[], C],
    fourth: Callable[[], D],
    fifth: Callable[[], E],
    /,
) -> tuple[A, B, C, D, E]: ...
def together(*calls: Callable[[], Any]) -> tuple[Any, ...]:
    """Run calls of different kinds at the same time and return their results; raise the first failure."""
    return tuple(gather_all(calls))
