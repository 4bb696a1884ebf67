"""The journal of operations: a ConfigMap beside the release that says who did what, when, and what came of it.

Helm's own history knows neither who nor whether Cilium got healthy, and nothing of what failed before Helm was asked.
Each entry has a key of its own, so that two runs at once cannot lose each other's: at most three requests a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from ciliumctl import __version__, lock, status
from ciliumctl.clients.kube import CONFIG_MAPS, Kube, Manifest, dig
from ciliumctl.errors import (
    CiliumctlError,
    ClusterError,
    Conflict,
    HelmCancelled,
    Interrupted,
    NotFound,
    Terminated,
    TimedOut,
)
from ciliumctl.report import Reporter
from ciliumctl.wait import overtime

NAME = "ciliumctl-journal"
#: The most entries kept; with what an entry may hold, about 100 kB, a tenth of what a ConfigMap may have.
KEPT = 50
_LONGEST = 300
_MOST_VALUES = 40
# Seconds for the last word, when the time was up already.
_TIDYING = 5.0

Result = Literal["running", "done", "healthy", "unhealthy", "failed", "taken-back", "interrupted"]
#: Results after which a revision is not one to go back to.
BAD: frozenset[Result] = frozenset({"unhealthy", "failed", "taken-back"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operation. `values` are the dotted paths that it changed: never what they were set to.

    `running` is what an operation leaves that was killed; `done` is one that did not wait for Cilium to be healthy.
    `others` are the revisions that it made besides: with updates paused, or when it took its own back. `paused` is the
    mark of a pause that it is about to make (`change.paused`): Helm writes its description only when it is done.
    """

    operation: str
    release: str
    who: str
    process: str = ""
    user: str = ""
    began: str = ""
    ended: str = ""
    ciliumctl: str = __version__
    from_revision: int = 0
    revision: int = 0
    others: tuple[int, ...] = ()
    from_version: str = ""
    version: str = ""
    values: tuple[str, ...] = ()
    result: Result = "running"
    message: str = ""
    paused: str = ""
    key: str = ""


class Record:
    """The entry of the operation that runs; `ended` says what came of it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def ended(self, result: Result, message: str = "", revision: int = 0) -> None:
        """Say how the operation ended, in one line, and which revision it made."""
        line = " ".join(message.split())[:_LONGEST]
        self.entry = replace(self.entry, result=result, message=line, revision=revision or self.entry.revision)

    def judged(self, found: status.Status | None) -> None:
        """Say how Cilium was at the end; `None` when nobody waited for it."""
        if found is None:
            self.ended("done")
        else:
            self.ended("healthy" if found.ok else "unhealthy", "" if found.ok else status.summary(found))

    def made(self, revision: int) -> None:
        """Say which revision Helm made, before anything is known of its health."""
        if self.entry.revision:
            self.also(self.entry.revision)
        self.entry = replace(self.entry, revision=revision)

    def also(self, revision: int) -> None:
        """Say which revision was made on the way, or back."""
        self.entry = replace(self.entry, others=(*self.entry.others, revision))


def entry(
    holder: lock.Holder,
    operation: str,
    release: str,
    *,
    from_revision: int = 0,
    from_version: str = "",
    version: str = "",
    values: tuple[str, ...] = (),
) -> Entry:
    """The entry of an operation that begins."""
    return Entry(
        operation=operation,
        release=release,
        who=holder.who,
        process=holder.process,
        from_revision=from_revision,
        from_version=from_version,
        version=version,
        values=values,
    )


@contextmanager
def keeping(kube: Kube, namespace: str, entry: Entry, report: Reporter) -> Iterator[Record]:
    """Write an entry when the block begins and complete it when it ends, however it ends.

    A block that says nothing ended `done`; one that raises ended `failed` or `interrupted`, unless it said more before.
    Who may not write ConfigMaps goes on without, with a warning: the journal never stops an operation.
    """
    record = Record(_begun(kube, entry))
    kept = _write_first(kube, namespace, record.entry, report)
    try:
        yield record
    except (KeyboardInterrupt, Terminated, Interrupted, HelmCancelled):
        if record.entry.result == "running":
            record.ended("interrupted", "stopped by the user or the system")
        raise
    except CiliumctlError as error:
        if record.entry.result == "running":
            record.ended("failed", error.message)
        raise
    except BaseException as error:
        record.ended("failed", type(error).__name__)
        raise
    else:
        if record.entry.result == "running":
            record.ended("done")
    finally:
        if kept:
            complete(kube, namespace, record.entry, report)


def read(kube: Kube, namespace: str, release: str) -> tuple[Entry, ...]:
    """The entries about a release, oldest first; none where there is no journal. One request."""
    found = kube.find(CONFIG_MAPS, NAME, namespace)
    return tuple(item for item in _entries(found) if item.release == release) if found is not None else ()


def complete(kube: Kube, namespace: str, entry: Entry, report: Reporter) -> None:
    """Write an entry's last word. One request; a failure is noted and goes no further."""
    done = replace(entry, ended=_now())
    try:
        with overtime(kube, seconds=_TIDYING):
            kube.patch(CONFIG_MAPS, NAME, {"data": {done.key: _text(done)}}, namespace)
    except NotFound:
        # Taken away meanwhile, by an uninstallation or with its namespace.
        return
    except (ClusterError, TimedOut) as error:
        report.note(f"the journal could not be completed: {error.message}")


def forget(kube: Kube, namespace: str) -> bool:
    """Delete the journal. Returns whether there was one."""
    return kube.delete(CONFIG_MAPS, NAME, namespace)


def _begun(kube: Kube, entry: Entry) -> Entry:
    moment = _now()
    # Sorted by time; a run's number tells two of the same moment apart.
    key = f"{moment.replace(':', '').replace('+', '')}-{os.getpid()}"
    values = entry.values
    if len(values) > _MOST_VALUES:
        values = (*values[:_MOST_VALUES], f"and {len(values) - _MOST_VALUES} more")
    short = tuple(value[:_LONGEST] for value in values)
    return replace(entry, began=moment, key=key, user=entry.user or kube.user, values=short)


def _write_first(kube: Kube, namespace: str, entry: Entry, report: Reporter) -> bool:
    try:
        there = kube.find(CONFIG_MAPS, NAME, namespace)
        if there is None:
            with suppress(Conflict):
                kube.create(CONFIG_MAPS, _config_map({entry.key: _text(entry)}), namespace)
                return True
            # Somebody else began the journal at this very moment.
            there = {}
        # What is read is what may go: an entry of somebody else's can only be newer.
        old: list[str] = sorted(dig(there, "data", default={}))[: -KEPT + 1]
        kube.patch(CONFIG_MAPS, NAME, {"data": {**dict.fromkeys(old), entry.key: _text(entry)}}, namespace)
    except (ClusterError, TimedOut) as error:
        report.warn(f"the journal cannot be kept: {error.message}", "`ciliumctl history` will not know who did this")
        return False
    return True


def _config_map(data: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "ciliumctl"}},
        "data": dict(data),
    }


def _text(entry: Entry) -> str:
    return json.dumps({name: value for name, value in asdict(entry).items() if value and name != "key"})


def _entries(found: Manifest) -> Iterator[Entry]:
    data: Mapping[str, str] = dig(found, "data", default={})
    for key in sorted(data):
        read = _entry(key, str(data[key]))
        if read is not None:
            yield read


def _entry(key: str, text: str) -> Entry | None:
    """An entry as it was written; `None` for what is none. What a later version adds is left out."""
    try:
        body = json.loads(text)
        known = {field.name: body[field.name] for field in fields(Entry) if field.name in body}
        known["values"] = tuple(str(value) for value in known.get("values", ()))
        known["others"] = tuple(int(number) for number in known.get("others", ()))
        found = Entry(**{**known, "key": key})
    except (ValueError, TypeError):
        return None
    sound = all(isinstance(getattr(found, name), kind) for name, kind in _TYPES.items())
    return found if sound and found.result in get_args(Result) else None


_TYPES: dict[str, type[Any]] = {
    **dict.fromkeys((field.name for field in fields(Entry)), str),
    **dict.fromkeys(("from_revision", "revision"), int),
    **dict.fromkeys(("values", "others"), tuple),
}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
