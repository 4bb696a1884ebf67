"""A terminal for a command: what it shows, keys, its size, its modes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.run import hearing_hang_ups


class Terminal:
    """Runs a command at a terminal of its own, as its controlling one. Use it as a context manager."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, columns: int = 100, rows: int = 30
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._theirs = theirs
        self.resize(columns, rows)
        with hearing_hang_ups():
            self.process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *argv],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=dict(env),
                cwd=cwd,
            )
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # The command tidies up what it has elsewhere, also after a test that failed; it is its session's leader.
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=20)
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def is_raw(self) -> bool:
        """Whether keys have no meaning to the terminal itself."""
        return not termios.tcgetattr(self._theirs)[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give it another size; whoever runs there is told."""
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: str, *, seconds: float = 60.0) -> str:
        """Wait until a text is shown; returns what came before it. Each text is found once."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            if not self._read(end):
                raise AssertionError(f"{text!r} was not shown, but: {self.shown!r}")
        before, _text, self.shown = self.shown.partition(text)
        return before

    def ended(self, *, seconds: float = 60.0) -> int:
        """Wait until the command ends; returns its exit code. What it showed since is in `shown`."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read(min(end, time.monotonic() + 0.1))
        while self._read(time.monotonic() + 0.05):
            pass
        return self.process.wait(timeout=max(0.1, end - time.monotonic()))

    def signal(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        child = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child[0]) if child else self.process.pid, number)

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        self.shown += os.read(self._ours, 65536).decode("utf-8", "replace")
        return True
