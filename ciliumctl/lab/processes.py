"""Programs in the background that outlive this one, and can be found and ended by a later run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ciliumctl.errors import LabFailed
from ciliumctl.wait import Deadline, poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running program; `born` tells it from another one that got the same number later."""

    name: str
    pid: int
    born: str
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return bool(self.born) and born(self.pid) == self.born

    def last_lines(self, count: int = 8) -> str:
        """The end of what it wrote."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""


def born(pid: int) -> str:
    """When a process was started, in whatever form the system gives; empty when it does not run."""
    try:
        # Field 22; the name in field 2 may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def start(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    started: Callable[[Process], None],
    environ: Mapping[str, str] | None = None,
) -> Process:
    """Start a program in a session of its own, its output in `log`.

    `started` is told of it before an interrupt can come between: what nobody knows of, nobody ends.
    """
    with undisturbed(), log.open("ab") as output:
        try:
            child = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ) if environ is not None else None,
                start_new_session=True,
            )
        except OSError as error:
            raise LabFailed(f"`{name}` cannot be started: {error.strerror}", hint=f"check `{argv[0]}`") from error
        # The system reaps it when we are gone; until then it must not count as alive when it has ended.
        _children.append(child)
        process = Process(name=name, pid=child.pid, born=born(child.pid), log=log)
        started(process)
    return process


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the block is through; they are as they were after it."""
    if threading.current_thread() is not threading.main_thread():
        # Signals only ever disturb the main thread.
        yield
        return
    came: list[int] = []
    held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, _frame: came.append(number)) for number in held]
    try:
        yield
    finally:
        for number, handler in zip(held, before, strict=True):
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    for child in _children:
        child.poll()


def stop(processes: Sequence[Process], *, grace: float = 5.0) -> list[Process]:
    """End programs, later ones first, kindly and then not. Returns those that would not go."""
    left = [process for process in reversed(processes) if process.alive]
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            _signal_group(process.pid, sign)
        left = poll(partial(_alive, left), lambda alive: not alive, deadline=Deadline.after(grace), interval=0.05)
        if not left:
            break
    return left


def _alive(processes: Sequence[Process]) -> list[Process]:
    _reap()
    return [process for process in processes if process.alive]


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except (ProcessLookupError, PermissionError):
        return


def wait_for(
    processes: Sequence[Process],
    ready: Callable[[], str],
    *,
    deadline: Deadline,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until `ready` returns an empty string rather than what is missing.

    Raises:
        LabFailed: a program ended, or the time is up; with the last lines of its log.
    """

    def look() -> str:
        _reap()
        ended = [process for process in processes if not process.alive]
        if ended:
            raise LabFailed(
                f"`{ended[0].name}` ended right after its start",
                hint=f"its log is `{ended[0].log}`",
                detail=ended[0].last_lines(),
            )
        return ready()

    missing = poll(look, lambda missing: not missing, deadline=deadline, interval=0.1, sleep=sleep)
    if missing:
        raise LabFailed(
            f"the lab did not come up in time: {missing}",
            hint=f"the logs are in `{processes[0].log.parent}`",
            detail=processes[-1].last_lines(),
        )


def free_ports(count: int) -> list[int]:
    """Ports that were free on the loopback address a moment ago."""
    sockets = []
    for _ in range(count):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sockets.append(sock)
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
