"""The history of a release: Helm's revisions, with what the journal knows about each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from ciliumctl import journal, lock, owners, release, status
from ciliumctl.change import paused
from ciliumctl.change.resuming import moment
from ciliumctl.clients.helm import Release, Revision
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import Forbidden, NotFound, UsageError
from ciliumctl.journal import Entry
from ciliumctl.parallel import together
from ciliumctl.sysdump import redact
from ciliumctl.values.paths import difference as differing
from ciliumctl.values.paths import get, split

HIDDEN = "(hidden)"
# How far the clocks of two machines may be apart.
_CLOCKS = timedelta(minutes=1)
# The longest that an installation works before it asks Helm.
_PREPARING = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """One value that a revision changed. What looks like a secret is hidden; `null` where there was, or is, none."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One revision, or an operation that made none (`revision` is 0).

    `status` is Helm's word, `result` the journal's: `killed` is a run that never came to say how it ended, empty is one
    that the journal does not know. `running` is the revision that is installed, `last_good` the one to go back to.
    """

    revision: int
    when: str
    operation: str
    who: str = ""
    ciliumctl: str = ""
    from_version: str = ""
    version: str = ""
    status: str = ""
    result: str = ""
    message: str = ""
    values: tuple[ValueChange, ...] = ()
    running: bool = False
    last_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that is known of a release's past, oldest first."""

    kind: ClassVar[str] = "History"

    context: str
    namespace: str
    release: str
    owner: str
    journal: bool
    lines: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        """Looking back is always a yes."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The revisions' numbers, for `-o name`."""
        return tuple(str(line.revision) for line in self.lines if line.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What Helm keeps of a release, what the journal says about it, and who holds the lock."""

    revisions: tuple[Revision, ...]
    entries: tuple[Entry, ...]
    held: lock.Lock | None
    owner: owners.Owner | None

    @property
    def newest(self) -> Revision:
        """The newest revision, whatever its state."""
        return self.revisions[-1]

    def about(self, revision: Revision) -> tuple[Entry, ...]:
        """The entries about the release that a revision is of, not about an earlier one of the same name."""
        first = revision.first if isinstance(revision, Release) else ""
        if not first:
            return self.entries
        return tuple(entry for entry in self.entries if _since(entry, moment(first)))

    def entry_of(self, revision: Revision) -> Entry | None:
        """The newest entry about a revision; a run that was killed did not come to write its number."""
        made = revision.updated if isinstance(revision, Release) else ""
        entries = [entry for entry in self.about(revision) if not made or not _over_before(entry, moment(made))]
        exact = [entry for entry in entries if entry.revision == revision.revision]
        if exact:
            return exact[-1]
        # What a killed run began with was the revision before, or one that was not kept.
        begun = [entry for entry in entries if not entry.revision and entry.from_revision == revision.revision - 1]
        return next((entry for entry in reversed(begun) if not made or moment(entry.began) <= moment(made)), None)

    def killed(self, entry: Entry, now: float) -> bool:
        """Whether an operation that says nothing of its end is not at work any more."""
        if entry.result != "running":
            return False
        mine = self.held is not None and self.held.holder.process == entry.process and self.held.holder.who == entry.who
        return not (mine and self.held is not None and self.held.alive(now))


def _over_before(entry: Entry, made: datetime) -> bool:
    """Whether an operation had ended before a revision was made: it cannot have made it."""
    return bool(entry.ended) and moment(entry.ended) - made < -_CLOCKS


def _since(entry: Entry, first: datetime) -> bool:
    """Whether an operation worked on the release that was installed at a moment, or installed it."""
    if entry.ended:
        return moment(entry.ended) - first >= -_CLOCKS
    # It is at work, or was killed: only an installation begins before there is a release.
    ahead = _CLOCKS if entry.from_revision else _PREPARING
    return moment(entry.began) - first >= -ahead


def past(kube: Kube, where: status.Where, *, intention: owners.Intention | None = None) -> Past:
    """Look back. Five requests in parallel; who may not read ConfigMaps or Leases sees Helm's part of it.

    Raises:
        ForeignOwner: it is to be changed, as `intention` says, and is somebody else's.
        NotFound: Helm keeps nothing of this release.
    """
    revisions, entries, held, owner = together(
        partial(release.history, kube, where.release, where.namespace, where.storage),
        partial(_if_allowed, partial(journal.read, kube, where.namespace, where.release), ()),
        partial(_if_allowed, partial(lock.look, kube), None),
        partial(owners.of_cilium, kube, namespace=where.namespace, release_name=where.release),
    )
    if owner is not None and intention is not None:
        raise owners.foreign(owner, intention)
    if not revisions:
        message = f"Helm keeps no release `{where.release}` in namespace `{where.namespace}`"
        if owner is not None:
            raise NotFound(
                f"{message}: Cilium belongs to {owner.tool}, which keeps its own history",
                hint=owner.hint_for("rollback"),
            )
        raise NotFound(message, hint="`ciliumctl status` looks for Cilium; name the right namespace with `-n`")
    return Past(revisions=tuple(revisions), entries=entries, held=held, owner=owner)


def _if_allowed(call: Any, instead: Any) -> Any:
    try:
        return call()
    except Forbidden:
        return instead


def look(kube: Kube, where: status.Where, *, now: float | None = None) -> History:
    """The whole history."""
    found = past(kube, where)
    at = time.time() if now is None else now
    good = last_good(found)
    lines = [_line(found, number, good, at) for number in range(len(found.revisions))]
    told = {entry.key for entry in map(found.entry_of, found.revisions) if entry is not None}
    lines += [_attempt(found, entry, at) for entry in found.entries if not entry.revision and entry.key not in told]
    return History(
        context=kube.context,
        namespace=where.namespace,
        release=where.release,
        owner=found.owner.tool if found.owner is not None else "",
        journal=bool(found.entries),
        lines=tuple(sorted(lines, key=lambda line: (moment(line.when), line.revision))),
    )


def only(found: History, revision: int) -> History:
    """The history of one revision. Raises `UsageError` when it is not kept."""
    lines = tuple(line for line in found.lines if line.revision == revision)
    if not lines or not revision:
        kept = ", ".join(found.names)
        raise UsageError(f"revision {revision} is not kept", hint=f"there are the revisions {kept}")
    return replace(found, lines=lines)


def current(found: Past) -> Release | None:
    """The revision that is installed: the newest one that Helm calls deployed."""
    deployed = [item for item in found.revisions if isinstance(item, Release) and item.status == "deployed"]
    return deployed[-1] if deployed else None


def replaced(found: Past) -> Release | None:
    """The revision that the agents ran with before the newest one, whatever is known of their health then.

    It is the one that Helm calls deployed; Helm killed at its last step has called it superseded already.
    """
    earlier = [item for item in found.revisions[:-1] if isinstance(item, Release)]
    for state in ("deployed", "superseded"):
        fitting = [item for item in earlier if item.status == state]
        if fitting:
            return fitting[-1]
    return None


def last_good(found: Past) -> Release | None:
    """The newest revision to go back to: applied whole, not known to have failed, and not the same as what is there.

    Never simply the one before: that may be the one that failed. Where the newest revision failed or was left pending,
    the installed one is the one to go back to. One that somebody went back from is not gone back to.
    """
    newest = found.newest
    left = {
        item.revision - 1 for item in found.revisions if isinstance(item, Release) and _operation(item) == "rollback"
    }
    for item in reversed(found.revisions[:-1]):
        if not isinstance(item, Release) or item.status not in {"deployed", "superseded"}:
            continue
        entry = found.entry_of(item)
        if item.revision in left or (entry is not None and entry.result in journal.BAD):
            continue
        if newest.status == "deployed" and isinstance(newest, Release) and same(item, newest):
            continue
        if item.status == "superseded" and paused.of(item) is not None:
            # Half of a staged restart, whose updates wait for somebody: only where it is what is installed.
            continue
        return item
    return None


def same(one: Release, other: Release) -> bool:
    """Whether two revisions are the same to the cluster."""
    return one.manifest == other.manifest and one.chart_version == other.chart_version and one.config == other.config


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ValueChange, ...]:
    """The values that differ, secrets hidden."""
    return tuple(
        ValueChange(key=key, before=_shown(key, before), after=_shown(key, after)) for key in differing(before, after)
    )


def _shown(key: str, values: Mapping[str, Any]) -> Any:
    path = split(key)
    value = get(values, path)
    if value in (None, ""):
        return value
    named = any(redact.is_secret(part) for part in path)
    # Values of the charts that are keys, certificates or whole Secrets, whatever is above them.
    private = path[-1] in {"key", "cert", "data"} or (len(path) > 1 and path[-2] == "annotations")
    if named or (private and isinstance(value, str)):
        return HIDDEN
    if isinstance(value, str):
        return redact.text(value)
    if isinstance(value, list):
        cleaned = redact.manifest({"spec": {"value": value}}) or {}
        return get(cleaned, ("spec", "value"))
    return value


def _line(found: Past, number: int, good: Release | None, now: float) -> Line:
    revision = found.revisions[number]
    entry = found.entry_of(revision)
    line = _attempt(found, entry, now) if entry is not None else _on_the_way(found, revision)
    line = replace(line, revision=revision.revision, status=revision.status)
    if not isinstance(revision, Release):
        return replace(line, message="what Helm stored of it is damaged")
    before = found.revisions[number - 1] if number else None
    known = isinstance(before, Release)
    changed = changes(before.config if isinstance(before, Release) else {}, revision.config)
    installed = current(found)
    return replace(
        line,
        when=revision.updated[:19] + "Z" if revision.updated.endswith("Z") else revision.updated,
        operation=line.operation or _operation(revision),
        message=line.message or (revision.description if revision.status == "failed" else ""),
        from_version=before.chart_version if isinstance(before, Release) else line.from_version,
        version=revision.chart_version,
        values=changed if known or revision.revision == 1 else (),
        running=installed is not None and revision.revision == installed.revision,
        last_good=good is not None and revision.revision == good.revision,
    )


def _on_the_way(found: Past, revision: Revision) -> Line:
    """What is known of a revision that an operation made besides its own; its health is told by that one."""
    by = next((entry for entry in found.about(revision) if revision.revision in entry.others), None)
    who, program = (by.who, by.ciliumctl) if by is not None else ("", "")
    return Line(revision=0, when="", operation="", who=who, ciliumctl=program)


def _attempt(found: Past, entry: Entry, now: float) -> Line:
    """What the journal says of an operation."""
    killed = found.killed(entry, now)
    return Line(
        revision=0,
        when=entry.began[:19] + "Z",
        operation=entry.operation,
        who=entry.who,
        ciliumctl=entry.ciliumctl,
        from_version=entry.from_version,
        version=entry.version,
        result="killed" if killed else entry.result,
        message="it was killed before it could say how it ended" if killed else entry.message,
        values=tuple(ValueChange(key=key, before=None, after=None) for key in entry.values),
    )


def _operation(revision: Release) -> str:
    """What made a revision that the journal does not know, by Helm's description of it."""
    text = revision.description
    if text.startswith("ciliumctl "):
        return " ".join(text.split()[2:]).split(" (")[0].split(":")[0]
    for start, word in (("Rollback", "rollback"), ("Install", "install"), ("Initial install", "install")):
        if text.startswith(start):
            return word
    return "install" if revision.revision == 1 else "upgrade"


def kept(revisions: Sequence[Revision]) -> str:
    """The revisions that are kept, in a few words."""
    numbers = [str(item.revision) for item in revisions]
    return ", ".join(numbers) if len(numbers) < 4 else f"{numbers[0]} to {numbers[-1]}"
