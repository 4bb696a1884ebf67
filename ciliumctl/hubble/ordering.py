"""Flows of many nodes in the order of their time, in a memory that does not grow with their number.

The last or the first N are kept in a heap of N. Of all of them, what is more than `RUN` goes to temporary files in
sorted runs, which are merged when they are read.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import IO, Self

from ciliumctl.hubble.flow import Flow, read

#: Flows that are held before they are written to the disk; at some 1.5 kB each.
RUN = 20_000


@dataclass
class Collected:
    """Takes flows one at a time; gives them in order, once. `newest` and `oldest` are how many are kept.

    Use it as a context manager: its file goes away with it.
    """

    newest: int = 0
    oldest: int = 0
    run: int = RUN
    #: How many were put in.
    seen: int = 0
    _kept: list[tuple[int, int, str]] = field(default_factory=list)
    _runs: list[IO[str]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for file in self._runs:
            file.close()

    def add(self, moment: int, line: str) -> None:
        """Keep a flow, when it is one of those that are wanted."""
        self.seen += 1
        number = next(self._number)
        if self.newest:
            self._bounded((moment, number, line), self.newest)
        elif self.oldest:
            # The heap throws out its smallest: turned around, that is the youngest.
            self._bounded((-moment, -number, line), self.oldest)
        else:
            self._kept.append((moment, number, line))
            if len(self._kept) >= self.run:
                self._write()

    def _bounded(self, item: tuple[int, int, str], most: int) -> None:
        if len(self._kept) < most:
            heapq.heappush(self._kept, item)
        else:
            heapq.heappushpop(self._kept, item)

    def _write(self) -> None:
        file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed when the collection is left
        self._runs.append(file)
        file.writelines(json.dumps(item) + "\n" for item in sorted(self._kept))
        self._kept.clear()

    def flows(self) -> Iterator[Flow]:
        """The flows, oldest first."""
        if self.oldest and not self.newest:
            kept = sorted((-moment, -number, line) for moment, number, line in self._kept)
        else:
            kept = sorted(self._kept)
        for _moment, _number, line in heapq.merge(kept, *map(_read, self._runs)):
            found = read(line)
            if isinstance(found, Flow):
                yield found


def _read(file: IO[str]) -> Iterator[tuple[int, int, str]]:
    file.seek(0)
    for text in file:
        moment, number, line = json.loads(text)
        yield moment, number, line
