"""Containers' logs as streams: line by line with their times, taken up again without a gap or a repeat.

The API server cuts long streams: when it restarts, when a proxy in between loses patience, when the kubelet goes. What
came last is remembered, and the next request begins there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
import urllib3.exceptions

from ciliumctl.clients.kube.resources import PODS
from ciliumctl.clients.kube.translate import answer_error, connection_error, was_cut
from ciliumctl.clients.kube.transport import CONNECT_TIMEOUT, Transport
from ciliumctl.errors import ApiFailed, TimedOut

#: Seconds of silence after which a followed log is asked for anew: nothing else tells a quiet one from a dead one.
SILENCE = 300.0
#: Bytes of one line that are kept; the rest of a longer one is dropped, and that is said in its place.
LONGEST = 256 * 1024
_PIECE = 64 * 1024
_RETRIES = 3
# What the kubelet writes before each line: RFC 3339 with nanoseconds, in the node's own zone.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Which log, and which part of it; `tail` below 0 and `since` of 0 leave nothing out.

    `since` is in seconds, `since_time` a moment in RFC 3339, `limit` the most bytes, counted from the first line.
    """

    namespace: str
    pod: str
    container: str = ""
    tail: int = -1
    since: float = 0.0
    since_time: str = ""
    previous: bool = False
    follow: bool = False
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Stamped:
    """A line and when it was written: UTC with nine digits, so that it sorts as text; empty when nobody knows."""

    time: str
    text: str


def moment(text: str) -> tuple[str, str]:
    """Take a line apart into its time in UTC and the rest; the time is empty when the line has none."""
    match = _STAMP.match(text)
    if match is None:
        return "", text
    second, fraction, zone = match.groups()
    if zone != "Z":
        try:
            second = datetime.fromisoformat(second + zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        except (ValueError, OverflowError):
            return "", text
    return f"{second}.{fraction or '':0<9}Z", text[match.end() :]


class Log:
    """One container's log. `lines` may be called again, and goes on after the last line that was read."""

    def __init__(self, transport: Transport, pool: Any, request: LogRequest) -> None:
        self._transport = transport
        self._pool = pool
        self._request = request
        self._stopped = threading.Event()
        # Where we are: the last line's time, and how many lines of exactly that time were read.
        self.time = ""
        self._same = 0
        #: Told once the server has begun to answer.
        self.opened = threading.Event()

    def stop(self) -> None:
        """Let `lines` end before its next line."""
        self._stopped.set()

    def lines(self) -> Iterator[Stamped]:
        """Yield the lines until the log ends; of one that is followed, until its container does, or a long silence.

        A connection that breaks is taken up again, three times without a new line in between.

        Raises:
            ClusterError: it cannot be read, or no longer.
            TimedOut: the command's own time is up.
        """
        failures = 0
        while not self._stopped.is_set():
            try:
                for line in self._once():
                    failures = 0
                    yield line
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if self._transport.deadline.passed:
                    raise TimedOut("the time is up before the logs were read", hint="raise `--timeout`") from error
                if isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError) and self._request.follow:
                    return
                failures += 1
                if failures >= _RETRIES or not _may_go_on(error):
                    raise connection_error(self._transport.target, error) from error
            else:
                return

    def _once(self) -> Iterator[Stamped]:
        """One connection. The lines that were read before are left out."""
        before, skip = self.time, self._same
        response = self._open()
        self.opened.set()
        try:
            for raw in _split(response):
                if self._stopped.is_set():
                    return
                time, text = moment(raw)
                if before and time:
                    if time < before:
                        continue
                    if time == before and skip:
                        skip -= 1
                        continue
                self._same = self._same + 1 if time == self.time else 1
                self.time = time or self.time
                yield Stamped(time, text)
        finally:
            # Not given back half read; a finished one was given back already.
            response.close()

    def _open(self) -> Any:
        request = self._request
        path = PODS.path(namespace=request.namespace, name=request.pod, subresource="log")
        url = f"{path}?{urlencode(self._query())}"
        for attempt in range(_RETRIES):
            seconds = self._transport.timeout(SILENCE if request.follow else None)
            self._transport.requests += 1
            response = self._pool.request(
                "GET",
                self._transport.host + url,
                headers=self._transport.header_list({"Accept": "*/*"}),
                timeout=urllib3.Timeout(connect=min(seconds, CONNECT_TIMEOUT), read=seconds),
                preload_content=False,
                retries=False,
                redirect=False,
            )
            if self._transport.trace is not None:
                self._transport.trace(f"GET {url} → {response.status}")
            if response.status < 300:
                return response
            body = response.read()
            again = response.status in {429, 503}
            if response.status == 401 and self._transport.renew():
                # A certificate is part of the connection.
                again, self._pool = True, self._transport.streams()
            if not again or attempt == _RETRIES - 1:
                raise answer_error(self._transport.target, "GET", path, response.status, body)
            self._stopped.wait(self._transport.deadline.left(0.25 * 2**attempt))
        raise ApiFailed(f"{self._transport.target} is too busy to give logs", hint="run the command again")

    def _query(self) -> dict[str, str]:
        request = self._request
        query = {"timestamps": "true"}
        if request.container:
            query["container"] = request.container
        if request.previous:
            query["previous"] = "true"
        if request.follow:
            query["follow"] = "true"
        if self.time:
            # The server hands it on in whole seconds.
            return query | {"sinceTime": self.time}
        if request.tail >= 0:
            query["tailLines"] = str(request.tail)
        if request.since:
            query["sinceSeconds"] = str(max(1, round(request.since)))
        if request.since_time:
            query["sinceTime"] = request.since_time
        if request.limit:
            query["limitBytes"] = str(request.limit)
        return query


def _may_go_on(error: Exception) -> bool:
    return was_cut(error) or isinstance(error, urllib3.exceptions.IncompleteRead | ConnectionError)


def _split(response: Any) -> Iterator[str]:
    """The lines of an answer as they come; never more than one line and one piece in memory."""
    held = bytearray()
    dropped = 0
    while piece := response.read1(_PIECE):
        *whole, rest = piece.split(b"\n")
        for part in whole:
            dropped += _keep(held, part)
            yield _text(held, dropped)
            held.clear()
            dropped = 0
        dropped += _keep(held, rest)
    if held:
        yield _text(held, dropped)


def _keep(held: bytearray, more: bytes) -> int:
    """Add what fits, and return how many bytes did not."""
    fits = more[: max(0, LONGEST - len(held))]
    held += fits
    return len(more) - len(fits)


def _text(raw: bytearray, dropped: int) -> str:
    text = raw.decode("utf-8", "replace").rstrip("\r")
    return f"{text} … and {dropped} bytes more" if dropped else text
