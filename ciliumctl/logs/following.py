"""Follow logs: a connection each, merged by time over a short window; pods that are replaced are taken up again."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ciliumctl.clients.kube import PODS, Kube, Log, Manifest, Stamped, dig
from ciliumctl.errors import CiliumctlError, Forbidden, Invalid, NotFound, TimedOut, Unauthorized
from ciliumctl.logs.choosing import Wanted, choose
from ciliumctl.logs.model import Failure, LogLine, Part, Source
from ciliumctl.logs.reading import line_of
from ciliumctl.logs.sieve import Sieve
from ciliumctl.report import Reporter

#: Seconds that a line is held back, so that an older one of another node can come before it.
WINDOW = 0.4
#: Seconds that the first lines of all logs are waited for; a container that has said nothing yet has none.
_OPENING = 2.0
#: Seconds between two tries to read a log that cannot be read.
_SLOWEST = 10.0
#: Characters held back at most, whatever their time.
_HELD = 16 * 1024 * 1024
_QUEUE = 5_000
#: Seconds between two looks for pods that are new: after one went, and at all times.
_SOON, _LATER = 2.0, 30.0
#: Seconds that a pod's successor is looked for often.
_PATIENCE = 90.0


@dataclass(slots=True)
class _Feed:
    """One log that is followed."""

    source: Source
    log: Log
    trouble: CiliumctlError | None = None

    @property
    def ready(self) -> bool:
        """Whether the server has begun to answer, or will not."""
        return self.trouble is not None or self.log.opened.is_set()


@dataclass(frozen=True, slots=True)
class _Came:
    feed: _Feed
    stamped: Stamped | None
    level: str = ""
    #: Of a log that ended: its pod's uid, empty when the pod is gone.
    uid: str = ""


@dataclass(slots=True)
class _Window:
    """The lines that are held back, oldest first."""

    heap: list[tuple[str, int, float, LogLine]] = field(default_factory=list)
    size: int = 0
    _last: dict[tuple[str, str], str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add(self, line: LogLine, now: float) -> None:
        key = (line.pod, line.container)
        dated = self._last[key] = line.time or self._last.get(key, "")
        heapq.heappush(self.heap, (dated, next(self._numbers), now, line))
        self.size += len(line.line)

    def ripe(self, now: float, *, everything: bool = False) -> Iterator[LogLine]:
        """Those that were held for long enough; the oldest ones when there are too many."""
        while self.heap and (everything or self.size > _HELD or self.heap[0][2] + WINDOW <= now):
            line = heapq.heappop(self.heap)[3]
            self.size -= len(line.line)
            yield line


class Follower:
    """Follows the logs of what is wanted. `failures` has those that cannot be read at the moment."""

    def __init__(
        self,
        kube: Kube,
        wanted: Wanted,
        sieve: Sieve,
        report: Reporter,
        *,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._wanted = wanted
        self._sieve = sieve
        self._report = report
        self._most = most
        self._clock = clock
        self._came: queue.Queue[_Came | CiliumctlError] = queue.Queue(_QUEUE)
        self._feeds: dict[Source, _Feed] = {}
        # Logs that ended while their pods are still listed (evicted, failed, being deleted), with the pods' uids.
        self._ended: dict[Source, str] = {}
        self._stopped = threading.Event()
        self._searched = clock()
        self._hurry = 0.0
        self._full = False

    @property
    def failures(self) -> list[Failure]:
        """The logs that cannot be read now, and why."""
        feeds = list(self._feeds.values())
        return [Failure(source=feed.source, error=feed.trouble) for feed in feeds if feed.trouble is not None]

    @property
    def total(self) -> int:
        """How many logs are followed."""
        return len(self._feeds)

    def follow(self, sources: Sequence[Source], part: Part) -> Iterator[list[LogLine]]:
        """Yield lines as they come, until the command's time is up or all pods that were named are gone.

        Raises:
            Forbidden: this user may not read logs. Unauthorized: the credentials are no longer accepted.
        """
        for source in sources:
            self._begin(source, part)
        window, opening = _Window(), self._clock() + _OPENING
        try:
            while (self._feeds or not self._wanted.pods) and not self._kube.deadline.passed:
                self._take(window)
                now = self._clock()
                if now < opening and not all(feed.ready for feed in self._feeds.values()) and window.size < _HELD:
                    continue
                opening = 0.0
                if batch := list(window.ripe(now)):
                    yield batch
                self._search(now)
            self._drain(window)
            if batch := list(window.ripe(0.0, everything=True)):
                yield batch
        finally:
            self._stopped.set()
            for feed in list(self._feeds.values()):
                feed.log.stop()

    def _begin(self, source: Source, part: Part) -> None:
        (log,) = self._kube.open_logs([part.of(source, follow=True)])
        feed = self._feeds[source] = _Feed(source, log)
        threading.Thread(target=self._read, args=(feed,), name=f"log-{source.pod}", daemon=True).start()

    # What the main thread does

    def _take(self, window: _Window) -> None:
        """Take what came into the window; waits at most half of it for something to come."""
        try:
            came: _Came | CiliumctlError = self._came.get(timeout=min(WINDOW / 2, self._kube.deadline.left(WINDOW)))
        except queue.Empty:
            return
        while True:
            self._put(window, came)
            try:
                came = self._came.get_nowait()
            except queue.Empty:
                return
            if window.size > _HELD:
                self._put(window, came)
                return

    def _drain(self, window: _Window) -> None:
        while not self._came.empty():
            self._put(window, self._came.get_nowait())

    def _put(self, window: _Window, came: _Came | CiliumctlError) -> None:
        if isinstance(came, CiliumctlError):
            raise came
        if came.stamped is not None:
            record = (came.stamped.time, came.level, came.stamped.text)
            window.add(line_of(came.feed.source, record), self._clock())
            return
        self._feeds.pop(came.feed.source, None)
        if came.uid:
            self._ended[came.feed.source] = came.uid
        if not self._wanted.pods:
            if not any(source.pod == came.feed.source.pod for source in self._feeds):
                self._report.note(f"pod `{came.feed.source.pod}` is gone; looking for its successor")
            self._hurry = self._clock() + _PATIENCE

    def _search(self, now: float) -> None:
        """Take up pods that are new: successors of those that went, and those of new nodes.

        One request, and one for each log that ended while its pod is still listed.
        """
        if self._wanted.pods or now - self._searched < (_SOON if now < self._hurry else _LATER):
            return
        self._searched = now
        try:
            listed = choose(self._kube, self._wanted)
            self._ended = {source: uid for source, uid in self._ended.items() if source in listed}
            found = [source for source in listed if self._is_new(source)]
        except CiliumctlError:
            # None at all, or nobody answers: the logs that break off say it, and it is looked again.
            return
        for source in found:
            if len(self._feeds) >= self._most:
                if not self._full:
                    self._report.warn(f"`{source}` is not followed: there are {self._most} logs already")
                self._full = True
                return
            self._report.note(f"following `{source}` on {source.node} now")
            # All of it: it began after we did.
            self._begin(source, Part())

    def _is_new(self, source: Source) -> bool:
        """Whether a listed log is to be taken up: not again one that has ended, unless another pod has its name now."""
        if source in self._feeds or not source.node:
            return False
        ended = self._ended.get(source)
        return ended is None or self._uid(source) not in {ended, ""}

    def _uid(self, source: Source) -> str:
        return str(dig(self._kube.find(PODS, source.pod, source.namespace), "metadata", "uid", default=""))

    # What the threads do

    def _read(self, feed: _Feed) -> None:
        """Read one log until its pod is gone, however often it breaks off."""
        sieve, tries = self._sieve.again(), 0
        uid: str | None = None
        while not self._stopped.is_set():
            try:
                for stamped in feed.log.lines():
                    tries = 0
                    self._well(feed)
                    level = sieve.keep(stamped.text)
                    if level is not None:
                        self._hand(_Came(feed, stamped, level))
                if (uid := self._end_of(feed.source)) is not None:
                    break
                self._well(feed)
            except NotFound as error:
                # Of a pod that is still there, too, whose node is gone or does not know it yet.
                with suppress(CiliumctlError):
                    if (uid := self._end_of(feed.source)) is not None:
                        break
                self._ill(feed, error)
            except TimedOut:
                return
            except (Forbidden, Unauthorized) as error:
                self._hand(error)
                return
            except CiliumctlError as error:
                self._ill(feed, error)
            tries += 1
            self._stopped.wait(min(_SLOWEST, 0.25 * 2 ** min(tries, 6)))
        self._hand(_Came(feed, None, uid=uid or ""))

    def _end_of(self, source: Source) -> str | None:
        """The uid of a pod whose log will not go on, empty when it is gone; `None` when it will. One request."""
        pod = self._kube.find(PODS, source.pod, source.namespace)
        return str(dig(pod, "metadata", "uid", default="")) if _is_over(source, pod) else None

    def _ill(self, feed: _Feed, error: CiliumctlError) -> None:
        # A container that waits for its image has no log yet; that is no news.
        if feed.trouble is None and not isinstance(error, Invalid) and not self._stopped.is_set():
            self._report.warn(str(Failure(source=feed.source, error=error)), "trying again until it can be read")
        feed.trouble = error

    def _well(self, feed: _Feed) -> None:
        if feed.trouble is not None and not isinstance(feed.trouble, Invalid):
            self._report.note(f"`{feed.source}` can be read again")
        feed.trouble = None

    def _hand(self, what: _Came | CiliumctlError) -> None:
        while not self._stopped.is_set():
            try:
                self._came.put(what, timeout=1.0)
            except queue.Full:
                continue
            return


def _is_over(source: Source, pod: Manifest | None) -> bool:
    """Whether a log that ended will not go on: a container that is restarted has the same log."""
    if pod is None or dig(pod, "status", "phase", default="") in {"Succeeded", "Failed"}:
        return True
    statuses: list[Manifest] = dig(pod, "status", "containerStatuses", default=[])
    mine: Manifest = next((one for one in statuses if one.get("name") == source.container), {})
    return bool(dig(pod, "metadata", "deletionTimestamp", default="")) and not dig(mine, "state", "running")
