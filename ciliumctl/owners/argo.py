"""Argo CD: the application that the agents' DaemonSet is tracked by, and where its source is."""

from __future__ import annotations

from dataclasses import dataclass

from ciliumctl.clients.kube import Kube, Manifest, Resource, annotations_of, dig, labels_of, name_of, namespace_of
from ciliumctl.errors import Forbidden, NotFound
from ciliumctl.owners.model import Owner, deployer, described, hints

_APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications")
_LABEL = "argocd.argoproj.io/instance"
_TRACKING = "argocd.argoproj.io/tracking-id"
_MANAGERS = ("argocd-controller", "argocd-application-controller")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Application:
    """What an Application says of its sources."""

    place: str
    project: str
    sources: tuple[Manifest, ...]
    generator: str
    automated: bool


def of_argo(kube: Kube, agent: Manifest) -> Owner | None:
    """The application that tracks the agents; one request more, for the Application itself, when there is one."""
    place, name = _tracked_by(agent)
    if not name:
        return None
    qualified = f"{place}/{name}" if place else name
    found, missing = _find(kube, place, name)
    evidence = [f"Argo CD's marks on {described(agent)}"]
    if found is None:
        return Owner(
            tool=f"Argo CD's application `{qualified}`",
            evidence=(*evidence, missing),
            hints=hints(
                f"change it in git, then `argocd app sync {qualified}`; where, says `argocd app get {qualified}`",
                rollback=f"`argocd app history {qualified}`, then `argocd app rollback {qualified} ID`",
                uninstall=f"take it out of git, or `argocd app delete {qualified}`",
            ),
        )
    evidence.append(f"Application `{found.place}/{name}` of project `{found.project}`: {_where(found)}")
    if found.generator:
        evidence.append(f"written by ApplicationSet `{found.place}/{found.generator}`")
    return Owner(
        tool=f"Argo CD's application `{qualified}`",
        evidence=tuple(evidence),
        hints=hints(
            f"{_change(found, qualified, 'version and values')}, then `argocd app sync {qualified}`",
            upgrade=f"{_change(found, qualified, 'version')}, then `argocd app sync {qualified}`",
            change=f"{_change(found, qualified, 'values')}, then `argocd app sync {qualified}`",
            rollback=_rollback(found, qualified),
            uninstall=_uninstall(found, qualified),
        ),
    )


def _tracked_by(agent: Manifest) -> tuple[str, str]:
    """The application's namespace, where the marks name one, and its name; empty for none."""
    labels = labels_of(agent)
    app, _colon, tracked = annotations_of(agent).get(_TRACKING, "").partition(":")
    # A mark that came along with a copied object names another one.
    if app and tracked == f"apps/DaemonSet:{namespace_of(agent)}/{name_of(agent)}":
        place, _line, name = app.rpartition("_")
        return place, name
    if _LABEL in labels:
        place, _line, name = labels[_LABEL].rpartition("_")
        return place, name
    if deployer(agent)[0] in _MANAGERS:
        # Argo CD before 3.0 marks what it applies with a label that Helm's charts use too.
        return "", labels.get("app.kubernetes.io/instance", "of an unknown name")
    return "", ""


def _find(kube: Kube, place: str, name: str) -> tuple[_Application | None, str]:
    """The Application, or why there is none to be seen."""
    try:
        items = list(kube.objects(_APPLICATIONS, place, fields=f"metadata.name={name}"))
    except Forbidden:
        return None, "this user may not read Applications"
    except NotFound:
        items = []
    if not items:
        return None, "no Application of that name is visible here"
    item = next((item for item in items if namespace_of(item) == (place or "argocd")), items[0])
    source: Manifest = dig(item, "spec", "source", default={})
    policy: Manifest = dig(item, "spec", "syncPolicy", default={})
    owners: list[Manifest] = dig(item, "metadata", "ownerReferences", default=[])
    sets = [str(owner.get("name")) for owner in owners if owner.get("kind") == "ApplicationSet"]
    return (
        _Application(
            place=namespace_of(item),
            project=dig(item, "spec", "project", default="default"),
            sources=tuple(dig(item, "spec", "sources", default=[]) or ([source] if source else [])),
            generator=sets[0] if sets else "",
            automated="automated" in policy and (policy["automated"] or {}).get("enabled", True),
        ),
        "",
    )


def _where(app: _Application) -> str:
    return ", ".join(_source(source) for source in app.sources) or "without a source"


def _source(source: Manifest) -> str:
    revision = source.get("targetRevision") or "HEAD"
    if source.get("chart"):
        return f"chart `{source['chart']}` {revision} of `{source.get('repoURL', '')}`"
    path = f" path `{source['path']}`" if source.get("path") else ""
    return f"`{source.get('repoURL', '')}`{path} at `{revision}`"


def _change(app: _Application, name: str, what: str) -> str:
    if app.generator:
        return f"change the {what} in ApplicationSet `{app.place}/{app.generator}` or in what it reads"
    git = [source for source in app.sources if not source.get("chart")]
    # Of a chart and a repository with its values, the chart's version is the Application's.
    if git and (what == "values" or len(git) == len(app.sources)):
        return f"change the {what} in git: {', '.join(_source(source) for source in git)}"
    flags = {"version": "--revision VERSION", "values": "--helm-set KEY=VALUE"}.get(what, "--revision VERSION")
    return (
        f"change the {what} in Application `{app.place}/{name.rpartition('/')[2]}`, in git where it is kept there, "
        f"or with `argocd app set {name} {flags}`"
    )


def _rollback(app: _Application, name: str) -> str:
    by_hand = f"`argocd app history {name}`, then `argocd app rollback {name} ID`"
    if not app.automated:
        return by_hand
    return (
        f"revert the change in git; by hand, it syncs by itself: `argocd app set {name} --sync-policy none`, {by_hand}"
    )


def _uninstall(app: _Application, name: str) -> str:
    if app.generator:
        return f"take it out of ApplicationSet `{app.place}/{app.generator}`: what that makes comes back"
    return f"`argocd app delete {name}`, and take the Application out of git where it is kept there"
