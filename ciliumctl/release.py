"""The Helm release of Cilium: what Helm keeps of it in the cluster, and the way back to an older revision."""

from __future__ import annotations

from collections.abc import Mapping

from ciliumctl.clients.helm import Helm, Release, Revision, decode, revision_of
from ciliumctl.clients.kube import CONFIG_MAPS, SECRETS, Kube, Resource
from ciliumctl.errors import Exists, HelmFailed, Missing, OutsideError

# A list's items do not say what they are.
_KINDS = {SECRETS: "Secret", CONFIG_MAPS: "ConfigMap"}


def storage(environ: Mapping[str, str]) -> Resource:
    """Where Helm keeps releases: Secrets, unless `HELM_DRIVER` says ConfigMaps."""
    driver = environ.get("HELM_DRIVER", "secret").lower()
    if driver in {"", "secret", "secrets"}:
        return SECRETS
    if driver in {"configmap", "configmaps"}:
        return CONFIG_MAPS
    raise Missing(
        f"Helm's storage driver `{driver}` cannot be read by ciliumctl",
        hint="unset `HELM_DRIVER`: secrets are the default",
    )


def revisions(kube: Kube, name: str, namespace: str, resource: Resource = SECRETS) -> list[Revision]:
    """The release's revisions, oldest first, from metadata alone."""
    found = (
        revision_of(stored)
        for stored in kube.objects(resource, namespace, labels=f"owner=helm,name={name}", metadata_only=True)
    )
    return sorted((revision for revision in found if revision), key=lambda revision: revision.revision)


def current(kube: Kube, name: str, namespace: str, resource: Resource = SECRETS) -> Release | None:
    """The release's newest revision; `None` when there is no such release. Two requests."""
    known = revisions(kube, name, namespace, resource)
    return read(kube, known[-1], resource) if known else None


def check_still_so(kube: Kube, before: Revision, resource: Resource = SECRETS) -> None:
    """Look, under the lock, whether what was looked at before it is still so. One request.

    Raises:
        Exists: somebody was faster.
    """
    known = revisions(kube, before.name, before.namespace, resource)
    there = known[-1] if known else None
    if there is None or (there.revision, there.status) != (before.revision, before.status):
        now = f"at revision {there.revision}, {there.status}" if there is not None else "gone"
        raise Exists(
            f"Helm release `{before.name}` was changed meanwhile: it is {now}, "
            f"and was at revision {before.revision}, {before.status}",
            hint="look at it with `ciliumctl history`, then run the command again",
        )


def back_to(
    kube: Kube, helm: Helm, to: Revision, resource: Resource = SECRETS, *, force_conflicts: bool = False
) -> Release:
    """Let Helm go back to a revision; returns the new one, which is a copy of it."""
    helm.rollback(to.name, to.revision, namespace=to.namespace, force_conflicts=force_conflicts)
    made = current(kube, to.name, to.namespace, resource)
    if made is None:
        raise OutsideError("helm went back, and its release is gone", hint="`ciliumctl status` shows what is there")
    return made


def read(kube: Kube, revision: Revision, resource: Resource = SECRETS) -> Release | None:
    """One revision with its chart, values and manifest."""
    stored = kube.find(resource, f"sh.helm.release.v1.{revision.name}.v{revision.revision}", revision.namespace)
    return decode(stored) if stored is not None else None


def history(kube: Kube, name: str, namespace: str, resource: Resource = SECRETS) -> list[Revision]:
    """All revisions that Helm keeps, oldest first; each a `Release`, unless what is stored of it is damaged.

    One request; its answer has some 100 kB for each revision.
    """
    found: list[Revision] = []
    for stored in kube.objects(resource, namespace, labels=f"owner=helm,name={name}"):
        revision = revision_of(stored)
        if revision is None:
            continue
        try:
            found.append(decode({"kind": _KINDS[resource], **stored}))
        except HelmFailed:
            found.append(revision)
    return sorted(found, key=lambda revision: revision.revision)


def anywhere(kube: Kube, resource: Resource = SECRETS) -> list[Revision]:
    """The newest revision of every release in the cluster, whatever its name and namespace."""
    newest: dict[tuple[str, str], Revision] = {}
    for stored in kube.objects(resource, labels="owner=helm", metadata_only=True):
        revision = revision_of(stored)
        if revision is None:
            continue
        key = (revision.namespace, revision.name)
        if key not in newest or newest[key].revision < revision.revision:
            newest[key] = revision
    return sorted(newest.values(), key=lambda revision: (revision.namespace, revision.name))
