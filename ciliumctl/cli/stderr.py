"""Standard error that ends no command: a reader that went away, such as `head`, must not stop a change half-way."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast


class Forgiving:
    """A stream that goes on into nothing when what is written cannot be taken any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, as long as somebody takes it."""
        if not self._gone:
            try:
                return self._stream.write(text)
            except OSError:
                self._let_go()
        return len(text)

    def flush(self) -> None:
        """Send on what was written, as long as somebody takes it."""
        if not self._gone:
            try:
                self._stream.flush()
            except OSError:
                self._let_go()

    def _let_go(self) -> None:
        self._gone = True
        # What the stream still holds goes nowhere, too: it is flushed once more when Python ends.
        with suppress(OSError):
            number = self._stream.fileno()
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, number)
            os.close(nothing)


@contextmanager
def forgiven() -> Iterator[None]:
    """Make standard error forgiving for the block; one that was closed from the start goes nowhere."""
    before: TextIO | None = sys.stderr
    # Left open: a file that is opened later must not get number 2, which the programs we start write to.
    stream = Path(os.devnull).open("w", encoding="utf-8") if before is None else before  # noqa: SIM115 - see above
    sys.stderr = cast("TextIO", Forgiving(stream))
    try:
        yield
    finally:
        sys.stderr = before if before is not None else stream
