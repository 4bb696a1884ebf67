"""Which revision to go back to, and what that means. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ciliumctl import history
from ciliumctl.change import rollout
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import Kube, Manifest, dig, name_of, namespace_of
from ciliumctl.errors import Refused, UsageError
from ciliumctl.history import Past, ValueChange
from ciliumctl.installation import stuck
from ciliumctl.rollback import hazards
from ciliumctl.rollback.hazards import Hazard, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What going back changes and breaks. `rolls` are the workloads whose pods are replaced, one after the other."""

    kind: ClassVar[str] = "RollbackPreview"

    context: str
    namespace: str
    release: str
    from_revision: int
    to_revision: int
    from_version: str
    version: str
    values: tuple[ValueChange, ...]
    created: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    rolls: tuple[str, ...]
    restarts: tuple[str, ...]
    hazards: tuple[Hazard, ...]

    @property
    def ok(self) -> bool:
        """A preview is always a yes."""
        return True

    @property
    def destructive(self) -> tuple[Hazard, ...]:
        """What is lost for good."""
        return tuple(hazard for hazard in self.hazards if hazard.severity == "destructive")


def choose(found: Past, wanted: int = 0) -> tuple[Release, Release]:
    """The revision that is there and the one to go back to: the last good one, or the one that is asked for.

    Raises:
        ReleaseStuck: the release is pending; UsageError: the revision is
            not kept, or is the one that is there; Refused: there is none to go back to.
    """
    newest = found.newest
    if not isinstance(newest, Release):
        raise Refused(
            f"what Helm stored of revision {newest.revision} is damaged: it cannot be told what there is",
            hint="`ciliumctl history` shows the other revisions; `helm rollback` goes back all the same",
        )
    if newest.pending:
        raise stuck(newest)
    if wanted:
        return newest, _asked_for(found, newest, wanted)
    good = history.last_good(found)
    if good is None:
        raise Refused(
            f"there is no good revision to go back to: Helm keeps {history.kept(found.revisions)}",
            hint="`ciliumctl history` shows what each is; name one to go back to it all the same: "
            "`ciliumctl rollback REVISION`",
        )
    return newest, good


def _asked_for(found: Past, newest: Release, wanted: int) -> Release:
    kept = history.kept(found.revisions)
    target = next((item for item in found.revisions if item.revision == wanted), None)
    if target is None:
        why = "was removed from Helm's history" if wanted < found.revisions[0].revision else "does not exist"
        raise UsageError(f"revision {wanted} {why}: Helm keeps {kept}", hint="see them with `ciliumctl history`")
    if not isinstance(target, Release):
        raise Refused(f"what Helm stored of revision {wanted} is damaged", hint="choose another: `ciliumctl history`")
    if wanted == newest.revision and newest.status == "deployed":
        raise UsageError(f"revision {wanted} is the one that is installed", hint="see them with `ciliumctl history`")
    return target


def preview(kube: Kube, before: Release, after: Release, *, helm_major: int, now: datetime) -> WayBack:
    """Look at what going back changes and breaks."""
    way = Way.between(before, after)
    restarts = rollout.needed(before.manifest, after.manifest, after.namespace)
    return WayBack(
        context=kube.context,
        namespace=after.namespace,
        release=after.name,
        from_revision=before.revision,
        to_revision=after.revision,
        from_version=before.chart_version,
        version=after.chart_version,
        values=history.changes(before.config, after.config),
        created=tuple(map(named, way.added)),
        changed=tuple(map(named, way.changed)),
        deleted=tuple(map(named, way.deleted)),
        rolls=tuple(named(item) for item in way.changed if _rolls(way, item)),
        restarts=tuple(map(str, restarts)),
        hazards=hazards.find(kube, way, helm_major=helm_major, now=now),
    )


def named(item: Manifest) -> str:
    """An object's kind and name, with its namespace where it says one."""
    place = namespace_of(item)
    return f"{item.get('kind')} {place + '/' if place else ''}{name_of(item)}"


def _rolls(way: Way, item: Manifest) -> bool:
    if str(item.get("kind")) not in rollout.WORKLOADS:
        return False
    before = way.old[(str(item.get("kind")), namespace_of(item), name_of(item))]
    return bool(dig(before, "spec", "template") != dig(item, "spec", "template"))
