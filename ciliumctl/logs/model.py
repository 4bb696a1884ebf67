"""What there is to read, what was read, and what could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ciliumctl.clients.kube import LogRequest
from ciliumctl.errors import CiliumctlError, Partial


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One container of one pod, and the node that it runs on."""

    component: str
    node: str
    namespace: str
    pod: str
    container: str

    def __str__(self) -> str:
        return f"{self.pod}/{self.container}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a log.

    `time` is UTC with nanoseconds, empty when the server gave none. `level` is one of `LEVELS`, empty when the line,
    and those before it, have none. `message` is what the format of the line calls so, the whole line otherwise.
    """

    kind: ClassVar[str] = "LogLine"

    time: str
    node: str
    component: str
    pod: str
    container: str
    level: str
    message: str
    line: str

    @property
    def ok(self) -> bool:
        """Always: that a log tells of errors is no failure to read it."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of each log: the last `tail` lines (below 0 for all), not older than `since` seconds or a moment."""

    tail: int = -1
    since: float = 0.0
    since_time: str = ""
    previous: bool = False
    limit: int = 0

    def of(self, source: Source, *, follow: bool = False) -> LogRequest:
        """What to ask for."""
        return LogRequest(
            namespace=source.namespace,
            pod=source.pod,
            container=source.container,
            tail=self.tail,
            since=self.since,
            since_time=self.since_time,
            previous=self.previous,
            limit=self.limit,
            follow=follow,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A log that could not be read, or not to its end."""

    source: Source
    error: CiliumctlError

    def __str__(self) -> str:
        said = self.error.detail or self.error.message
        return f"{self.source} on {self.source.node or 'no node'}: {said}"


def incomplete(failures: Sequence[Failure], total: int) -> CiliumctlError | None:
    """Why the logs are not complete: a cause that all have in common, else how many are missing."""
    if not failures:
        return None
    first = failures[0].error
    if len(failures) == total and len({type(failure.error) for failure in failures}) == 1:
        return first
    return Partial(
        f"{len(failures)} of {total} logs could not be read",
        hint="`ciliumctl status` says what is the matter with the pods",
        detail="\n".join(map(str, failures)),
    )
