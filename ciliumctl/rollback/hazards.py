"""What is known to break on the way back, computed from the manifests of the two revisions and from the cluster."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ciliumctl import certificates
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import CRDS, SECRETS, Kube, Manifest, Resource, dig, name_of, namespace_of
from ciliumctl.errors import ClusterError
from ciliumctl.permissions import keyed
from ciliumctl.versioning import minor_of

Severity = Literal["note", "warning", "destructive"]
_CA = "cilium-ca"
_SOON = timedelta(days=14)
#: Who changes objects without being in anybody's way: Helm, controllers, and we with our restarts.
_KNOWN_MANAGERS = re.compile(
    r"helm|ciliumctl|kube-controller-manager|cilium-operator.*|cilium-agent|k3s|before-first-apply"
)
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One thing that goes wrong, or is not undone, by going back. A destructive one loses what is not ours."""

    code: str
    severity: Severity
    message: str
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From one revision to another, with the objects of both."""

    before: Release
    after: Release
    old: Mapping[tuple[str, str, str], Manifest]
    new: Mapping[tuple[str, str, str], Manifest]

    @classmethod
    def between(cls, before: Release, after: Release) -> Way:
        """The way from `before` to `after`."""
        return cls(before=before, after=after, old=keyed(before.manifest), new=keyed(after.manifest))

    @property
    def deleted(self) -> list[Manifest]:
        """What goes."""
        return [item for key, item in self.old.items() if key not in self.new]

    @property
    def added(self) -> list[Manifest]:
        """What comes."""
        return [item for key, item in self.new.items() if key not in self.old]

    @property
    def changed(self) -> list[Manifest]:
        """What becomes another one, as it will be."""
        return [item for key, item in self.new.items() if key in self.old and self.old[key] != item]


def find(kube: Kube, way: Way, *, helm_major: int, now: datetime) -> tuple[Hazard, ...]:
    """All hazards, the worst first. A few requests, none that a user who may roll back lacks the rights for."""
    found: list[Hazard] = [*_distance(way), *_envoy(way), *_certgen(way)]
    for look in (_namespaces, _certificates, _crds):
        found += _asked(look, kube, way, now)
    if helm_major > 3:
        found += _asked(_conflicts, kube, way, now)
    order: dict[str, int] = {"destructive": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda hazard: order[hazard.severity]))


def _asked(
    look: Callable[[Kube, Way, datetime], Iterator[Hazard]], kube: Kube, way: Way, now: datetime
) -> Sequence[Hazard]:
    try:
        return list(look(kube, way, now))
    except ClusterError as error:
        subject = look.__name__.removeprefix("_")
        return [Hazard(code="not-looked", severity="warning", message=f"{subject} not checked: {error.message}")]


def _distance(way: Way) -> Iterator[Hazard]:
    before, after = minor_of(way.before.chart_version), minor_of(way.after.chart_version)
    if after in {before, (0, 0)}:
        return
    steps = before[1] - after[1] if before[0] == after[0] else 99
    if steps > 1:
        yield Hazard(
            code="minors",
            severity="warning",
            message=f"{way.before.chart_version} → {way.after.chart_version} is {steps} minor versions back: "
            "Cilium's project tests one",
        )
    if after < (1, 17) <= before:
        yield Hazard(
            code="services",
            severity="warning",
            message="services are made anew in the datapath below 1.17: connections through them break for a moment",
        )


def _envoy(way: Way) -> Iterator[Hazard]:
    if any(item.get("kind") == "DaemonSet" and name_of(item) == "cilium-envoy" for item in way.deleted):
        yield Hazard(
            code="envoy",
            severity="warning",
            message="the DaemonSet `cilium-envoy` is deleted and the agents run Envoy themselves: "
            "connections under L7 policies, Ingress and Gateway API are reset",
        )


def _certgen(way: Way) -> Iterator[Hazard]:
    if any(item.get("kind") == "CronJob" and name_of(item) == "hubble-generate-certs" for item in way.new.values()):
        yield Hazard(
            code="certgen",
            severity="note",
            message="Hubble's certificates stay: going back does not run the job that makes them",
        )


def _namespaces(kube: Kube, way: Way, _now: datetime) -> Iterator[Hazard]:
    for item in way.deleted:
        if item.get("kind") != "Namespace":
            continue
        name = name_of(item)
        inside = tuple(sorted(name_of(secret) for secret in kube.objects(SECRETS, name, metadata_only=True)))
        lost = f" with {len(inside)} Secrets in it: {_listed(inside)}" if inside else ", which is empty"
        yield Hazard(
            code="namespace",
            severity="destructive" if inside else "note",
            message=f"namespace `{name}` is deleted{lost}",
            objects=tuple(f"Secret {name}/{secret}" for secret in inside),
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in names[:_NAMED]) + more


def _certificates(kube: Kube, way: Way, now: datetime) -> Iterator[Hazard]:
    stored = [
        item for (kind, _place, _name), item in way.new.items() if kind == "Secret" and _data(item, "tls.crt", "ca.crt")
    ]
    for item in stored:
        try:
            ends = certificates.valid_until(_data(item, "tls.crt", "ca.crt"))
        except ValueError:
            # No certificate of ours: whoever gave it knows its end.
            continue
        if ends <= now + _SOON:
            when = "ended on" if ends <= now else "ends on"
            yield Hazard(
                code="certificate-expired",
                severity="warning",
                message=f"the stored certificate `{name_of(item)}` {when} {ends:%Y-%m-%d}: Hubble's parts will not "
                "trust each other until it is made anew (delete the Secret, then change the release)",
            )
    yield from _authority(kube, way, stored)


def _authority(kube: Kube, way: Way, stored: Sequence[Manifest]) -> Iterator[Hazard]:
    """Whether what comes back was signed by the authority that will be there."""
    coming = next((item for item in stored if name_of(item) == _CA), None)
    there = kube.find(SECRETS, _CA, way.after.namespace)
    live = _data(there, "ca.crt") if there is not None else b""
    if coming is not None and live and _data(coming, "ca.crt") != live:
        yield Hazard(
            code="authority",
            severity="warning",
            message=f"`{_CA}` goes back to an earlier authority: what the one in place signed, in other clusters "
            "of a mesh too, is not trusted any more",
        )
    authority = _data(coming, "ca.crt") if coming is not None else live
    strange = tuple(
        name_of(item)
        for item in stored
        if name_of(item) != _CA and _data(item, "ca.crt") and authority and _data(item, "ca.crt") != authority
    )
    if strange:
        yield Hazard(
            code="certificate-authority",
            severity="warning",
            message=f"stored certificates were signed by another authority than `{_CA}`: {_listed(strange)}; "
            "Hubble's parts will not trust each other",
        )


def _data(item: Manifest, *keys: str) -> bytes:
    for key in keys:
        text = dig(item, "data", key, default="")
        if text:
            try:
                return base64.b64decode(text)
            except ValueError:
                return b""
    return b""


def _crds(kube: Kube, way: Way, _now: datetime) -> Iterator[Hazard]:
    """CRDs stay as the newer operator made them; those that the older one does not know have objects it ignores."""
    if minor_of(way.before.chart_version) <= minor_of(way.after.chart_version):
        return
    known_before, known_after = _known_crds(way.old.values()), _known_crds(way.new.values())
    if not known_after:
        return
    yield Hazard(
        code="crds",
        severity="note",
        message="Cilium's CRDs stay as the newer version made them: the older operator does not put them back",
    )
    for name in sorted(known_before - known_after):
        crd = kube.find(CRDS, name)
        if crd is None:
            continue
        resource = Resource("cilium.io", _stored_version(crd), name.split(".", 1)[0])
        count = len(kube.table(resource).rows)
        if count:
            yield Hazard(
                code="unknown-objects",
                severity="warning",
                message=f"{count} objects of `{name}` stay and mean nothing to {way.after.chart_version}",
                objects=(name,),
            )


def _known_crds(objects: Iterable[Manifest]) -> set[str]:
    """The CRDs that an operator looks after, by the names in its ClusterRole."""
    found: set[str] = set()
    for item in objects:
        if item.get("kind") != "ClusterRole" or name_of(item) != "cilium-operator":
            continue
        rules: list[Manifest] = dig(item, "rules", default=[])
        for rule in rules:
            names: list[str] = dig(rule, "resourceNames", default=[])
            kinds: list[str] = dig(rule, "resources", default=[])
            if "customresourcedefinitions" in kinds:
                found.update(names)
    return found


def _stored_version(crd: Manifest) -> str:
    versions: list[Manifest] = dig(crd, "spec", "versions", default=[])
    return next((str(entry.get("name")) for entry in versions if entry.get("storage")), "v2")


def _conflicts(kube: Kube, way: Way, _now: datetime) -> Iterator[Hazard]:
    """With Helm 4's server-side apply, a field that somebody else set is a conflict, and the rollback fails."""
    if way.before.apply_method != "ssa" and way.after.apply_method != "ssa":
        return
    kinds = kube.kinds()
    for item in way.changed:
        resource = kinds.get((str(item.get("apiVersion")), str(item.get("kind"))))
        live = kube.find(resource, name_of(item), namespace_of(item) or way.after.namespace) if resource else None
        others = _other_managers(live) if live is not None else ()
        if others:
            yield Hazard(
                code="conflict",
                severity="warning",
                message=f"{item.get('kind')} `{name_of(item)}` was changed by {', '.join(others)} besides Helm: where "
                "both set a field, Helm 4 refuses (`--force-conflicts` takes it back)",
                objects=(f"{item.get('kind')} {name_of(item)}",),
            )


def _other_managers(live: Manifest) -> tuple[str, ...]:
    fields: list[Manifest] = dig(live, "metadata", "managedFields", default=[])
    names = {
        str(entry.get("manager"))
        for entry in fields
        if not entry.get("subresource") and {"f:spec", "f:data", "f:rules"} & set(dig(entry, "fieldsV1", default={}))
    }
    return tuple(sorted(name for name in names if not _KNOWN_MANAGERS.fullmatch(name)))


def today() -> datetime:
    """Now, for `find`."""
    return datetime.now(UTC)
