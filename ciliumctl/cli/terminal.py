"""This terminal, or this pipe, tied to a command in a container: keys go there as they are, what it writes comes here.

The terminal is raw in between, so Ctrl-C is the command's; however this ends, it is as it was before.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ciliumctl.cli.output import let_go
from ciliumctl.errors import ClusterError

if TYPE_CHECKING:
    from ciliumctl.clients.kube import Exec
    from ciliumctl.wait import Deadline

_PIECE = 32 * 1024
# Seconds between signs of life, and without one until a connection is given up; kubectl has 5 and 60.
_PING = 15.0
_DEAD = 60.0


def is_ours() -> bool:
    """Whether somebody sits at a terminal that a command can have: keys come from it, and its output is seen."""
    return _number(sys.stdin) is not None and sys.stdin.isatty() and sys.stdout.isatty()


def has_input() -> bool:
    """Whether something comes on standard input that was put there for the command: a pipe or a file, not keys."""
    return _number(sys.stdin) is not None and not sys.stdin.isatty()


def _number(stream: object) -> int | None:
    """The stream's number in this process; `None` for one that is closed or no file."""
    with suppress(OSError, ValueError, AttributeError):
        return int(stream.fileno())  # type: ignore[attr-defined]  # closed streams are None
    return None


def attach(
    running: Exec, deadline: Deadline, *, at_terminal: bool, stdin: bool, write: Callable[[str, bytes], bool]
) -> int:
    """Carry bytes until the command ends; returns its exit code. `write` says whether anybody reads on.

    Raises:
        ClusterError: the connection was cut, or the command could not be started. TimedOut: the deadline passed.
    """
    raw = _raw(sys.stdin.fileno() if at_terminal else None)
    with raw, _tended(running, at_terminal=at_terminal), _fed(running, stdin=stdin):
        for channel, piece in running.frames(deadline):
            if not write(channel, piece):
                # Nobody reads any more, as behind `head`: no failure, here as everywhere.
                return 0
        return running.exit_code


def write(channel: str, piece: bytes) -> bool:
    """Hand on what the command wrote; `False` when standard output is gone. Raises `OutsideError` when it is full."""
    if channel == "stderr":
        with suppress(OSError):
            sys.stderr.flush()
            sys.stderr.buffer.write(piece)
            sys.stderr.buffer.flush()
        return True
    try:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except OSError as error:
        return let_go(error)
    return True


@contextmanager
def _raw(number: int | None) -> Iterator[None]:
    """The terminal without its own meaning of keys, for the block."""
    if number is None:
        yield
        return
    before = termios.tcgetattr(number)
    try:
        # Not `TCSAFLUSH`, which throws away what was typed ahead.
        tty.setraw(number, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


@contextmanager
def _tended(running: Exec, *, at_terminal: bool) -> Iterator[None]:
    """Signs of life, and the terminal's size now and whenever it changes."""
    changes: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def changed(_number: int, _frame: object) -> None:
        # Nothing more in a signal's handler: the connection may be in the middle of a frame.
        changes.put(True)

    before = signal.signal(signal.SIGWINCH, changed) if at_terminal else None
    if at_terminal:
        changes.put(True)
    threading.Thread(target=_tend, args=(running, changes), name="exec-tending", daemon=True).start()
    try:
        yield
    finally:
        changes.put(False)
        if before is not None:
            signal.signal(signal.SIGWINCH, before)


def _tend(running: Exec, changes: queue.SimpleQueue[bool]) -> None:
    # A connection that broke is the reader's to tell.
    with suppress(ClusterError):
        while True:
            try:
                if not changes.get(timeout=_PING):
                    return
                size = os.get_terminal_size(sys.stdin.fileno())
                running.resize(size.columns, size.lines)
            except queue.Empty:
                if running.silence > _DEAD:
                    running.hang_up()
                    return
                running.ping()


@contextmanager
def _fed(running: Exec, *, stdin: bool) -> Iterator[None]:
    """Standard input goes to the command, on a thread that reads nothing more once the block has ended."""
    if not stdin:
        yield
        return
    woken, wake = os.pipe()
    feeder = threading.Thread(target=_feed, args=(running, sys.stdin.fileno(), woken), name="exec-input", daemon=True)
    feeder.start()
    try:
        yield
    finally:
        os.close(wake)
        # It may be sending to a command that does not read: then it ends with the connection.
        feeder.join(timeout=0.5)
        if not feeder.is_alive():
            os.close(woken)


def _feed(running: Exec, number: int, woken: int) -> None:
    with suppress(ClusterError, OSError):
        while True:
            ready, _, _ = select.select([number, woken], [], [])
            if woken in ready:
                return
            piece = os.read(number, _PIECE)
            if not piece:
                running.end_input()
                return
            running.send(piece)
