"""Logs of the pods of the API server in this process: kept, cut off and gone on with as a kubelet would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.world.cluster import FakeCluster, Seen

# How long a follower waits before it looks whether the test is over.
_TICK = 0.05


@dataclass
class Kept:
    """One container's log: (time, text), and after how many lines the next answers are cut off."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    ended: bool = False


class Kubelets:
    """Answers a cluster's requests for logs, by (pod, container)."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.kept: dict[tuple[str, str], Kept] = {}
        self.closed = False
        #: How many answers are being given, and the most there ever were.
        self.open = self.most = 0
        self._changed = threading.Condition()
        cluster.log = self._answer

    def of(self, pod: str, container: str) -> Kept:
        """A container's log."""
        return self.kept.setdefault((pod, container), Kept())

    def write(self, pod: str, container: str, time: str, text: str) -> None:
        """Write a line."""
        with self._changed:
            self.of(pod, container).lines.append((time, text))
            self._changed.notify_all()

    def end(self, pod: str, container: str) -> None:
        """The container is gone: who follows it is told."""
        with self._changed:
            self.of(pod, container).ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End all answers."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _answer(self, seen: Seen) -> Iterator[bytes] | None:
        kept = self.kept.get((seen.path.split("/")[-2], seen.query.get("container", "")))
        return None if kept is None else self._counted(kept, seen.query)

    def _counted(self, kept: Kept, query: dict[str, str]) -> Iterator[bytes]:
        with self._changed:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            yield from self._pieces(kept, query)
        finally:
            with self._changed:
                self.open -= 1

    def _pieces(self, kept: Kept, query: dict[str, str]) -> Iterator[bytes]:
        # The API server hands the moment on without its fraction.
        since = query.get("sinceTime", "")[:19]
        start = len(kept.lines) - int(query["tailLines"]) if "tailLines" in query else 0
        cut = kept.cuts.pop(0) if kept.cuts else -1
        index, given = max(0, start), 0
        while True:
            with self._changed:
                fresh = kept.lines[index:]
            index += len(fresh)
            for time, text in fresh:
                if time[:19] < since:
                    continue
                if given == cut:
                    raise ConnectionAbortedError
                given += 1
                yield f"{time} {text}\n".encode()
            if given == cut:
                raise ConnectionAbortedError
            with self._changed:
                if self.closed or kept.ended or query.get("follow") != "true":
                    return
                if len(kept.lines) == index:
                    self._changed.wait(_TICK)
