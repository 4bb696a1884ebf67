"""A plan in a file: applied later exactly as it was shown, or refused when the world has moved on."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ciliumctl import __version__, charts, files
from ciliumctl.change.differences import Compared
from ciliumctl.change.objects import Objects, made_anew, parse
from ciliumctl.change.planning import Plan
from ciliumctl.change.target import Target
from ciliumctl.clients.kube import NAMESPACES, Kube, dig
from ciliumctl.errors import BadFile, StalePlan

#: A step of a path: a key, or the number of an element.
Step = str | int

FORMAT = 2
KIND = "SavedPlan"
_LIMIT = 16 << 20
_MENDED = "make a new one with `ciliumctl plan --out FILE`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a file holds. Of the cluster's own values and objects only digests: nothing secret of it leaves it.

    `unset` and then `put` make the new values out of the release's own.
    """

    made: str
    by: str
    context: str
    cluster: str
    namespace: str
    release: str
    revision: int
    from_version: str
    version: str
    chart: charts.Request
    installed_chart: bool
    chart_digest: str
    values_digest: str
    result_digest: str
    manifest_digest: str
    objects: Mapping[str, str]
    unset: list[list[Step]]
    put: list[list[Any]]
    worst: str


def digest(value: Any) -> str:
    """A mark of a piece of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_of_chart(chart: charts.Chart) -> str:
    """A mark of a chart's content, folder or archive alike."""
    whole = hashlib.sha256()
    for name, data in sorted(chart.files.items()):
        whole.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(data).digest())
    return whole.hexdigest()


def digest_of_manifest(objects: Objects) -> str:
    """A mark of what would be applied, without certificates that are made anew every time."""
    return digest({str(ref): item.manifest for ref, item in objects.items() if not made_anew(item.manifest)})


def digests_of_objects(found: Iterable[Compared]) -> dict[str, str]:
    """A mark of each object that differs, as it is now."""
    return {str(item.difference.ref): item.live_digest for item in found}


def _flat(value: Any, prefix: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Every value that has nothing below it, with its path; the elements of lists go by their numbers."""
    below: Iterable[tuple[Step, Any]] = ()
    if isinstance(value, Mapping):
        below = ((str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        below = enumerate(value)
    if not isinstance(value, Mapping | list | tuple) or not value:
        yield prefix, value
    for step, item in below:
        yield from _flat(item, (*prefix, step))


def _whole(flat: Mapping[tuple[Step, ...], Any]) -> Any:
    """What `_flat` was made of."""
    if () in flat:
        return copy.deepcopy(flat[()])
    below: dict[Step, dict[tuple[Step, ...], Any]] = {}
    for path, value in flat.items():
        below.setdefault(path[0], {})[path[1:]] = value
    made = {step: _whole(inner) for step, inner in below.items()}
    if all(isinstance(step, int) for step in made):
        return [made[step] for step in sorted(made)]
    return made


def delta(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[list[Step]], list[list[Any]]]:
    """The paths to take away from `before`, and the paths and values to set then, to make `after`.

    A list is no value of its own: the elements beside one that is set are the cluster's, and may be secret.
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    unset = [list(path) for path in old if path not in new]
    changed = (path for path, value in new.items() if path not in old or digest(old[path]) != digest(value))
    return unset, [[list(path), new[path]] for path in changed]


def with_delta(before: Mapping[str, Any], unset: list[list[Step]], put: list[list[Any]]) -> dict[str, Any]:
    """What `delta` was made of: `after`."""
    gone = {tuple(path) for path in unset}
    flat = {path: value for path, value in _flat(before) if path not in gone}
    flat.update({tuple(path): value for path, value in put})
    return dict(_whole(flat)) if flat else {}


def cluster_id(kube: Kube) -> str:
    """What tells a cluster from any other: the uid of its oldest namespace."""
    return str(dig(kube.get(NAMESPACES, "kube-system"), "metadata", "uid", default=""))


def of(
    kube: Kube,
    target: Target,
    made: Plan,
    *,
    chart: charts.Request,
    installed_chart: bool,
) -> Saved:
    """What is kept of a plan. One request."""
    before = target.before
    unset, put = delta(before.config, target.config)
    return Saved(
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        by=f"ciliumctl {__version__}",
        context=kube.context,
        cluster=cluster_id(kube),
        namespace=before.namespace,
        release=before.name,
        revision=before.revision,
        from_version=before.chart_version,
        version=target.chart.version,
        chart=chart,
        installed_chart=installed_chart,
        chart_digest=digest_of_chart(target.chart),
        values_digest=digest(before.config),
        result_digest=digest(target.config),
        manifest_digest=digest_of_manifest(parse(target.manifest, before.namespace)),
        objects=digests_of_objects(made.compared),
        unset=unset,
        put=put,
        worst=made.worst,
    )


_CHART = ("version", "chart", "repository")


def write(path: Path, saved: Saved) -> None:
    """Write the file, for its owner alone. Raises `BadFile`."""
    body = {name: getattr(saved, name) for name in Saved.__slots__}
    body["chart"] = {name: getattr(saved.chart, name) for name in _CHART}
    text = json.dumps({"kind": KIND, "format": FORMAT, "digest": digest(body), "plan": body}, indent=2)
    try:
        files.write_whole(path, text + "\n", mode=0o600)
    except OSError as error:
        raise BadFile(f"`{path}` cannot be written: {error.strerror}", hint="choose another `--out`") from error


def read(path: Path) -> Saved:
    """The plan in a file. Raises `BadFile` for one that is none, is of another format, or was edited."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check the path") from error
    content = _json(path, data)
    if content.get("format") != FORMAT:
        raise BadFile(
            f"`{path}` is a plan of format {content.get('format')}, and this ciliumctl knows {FORMAT}", hint=_MENDED
        )
    body = content.get("plan")
    if not isinstance(body, dict) or content.get("digest") != digest(body):
        raise BadFile(f"`{path}` was changed after it was saved", hint=_MENDED)
    try:
        chart = charts.Request(**{name: str(body["chart"][name]) for name in _CHART})
        return Saved(**{**body, "chart": chart})
    except (KeyError, TypeError) as error:
        raise BadFile(f"`{path}` lacks a part of a plan", hint=_MENDED) from error


def _json(path: Path, data: bytes) -> Mapping[str, Any]:
    none = BadFile(f"`{path}` is no saved plan", hint=_MENDED)
    if len(data) > _LIMIT:
        raise none
    try:
        content = json.loads(data)
    except ValueError as error:
        raise none from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise none
    return content


# Is it still so?


def check_cluster(saved: Saved, kube: Kube) -> None:
    """Raises `StalePlan` when this is another cluster than the plan was made on."""
    if saved.cluster != cluster_id(kube):
        raise _stale([f"it was made on another cluster (context `{saved.context}`)"])


def check_release(saved: Saved, *, revision: int, config: Mapping[str, Any]) -> None:
    """Raises `StalePlan` when the release has moved on since the plan was made."""
    moved = []
    if revision != saved.revision:
        moved.append(f"the release is at revision {revision}, not {saved.revision}")
    elif digest(config) != saved.values_digest:
        moved.append(f"the values of revision {revision} are other ones")
    if moved:
        raise _stale(moved)


def check_chart(saved: Saved, chart: charts.Chart) -> None:
    """Raises `StalePlan` when what the chart's name leads to is not the same chart any more."""
    if digest_of_chart(chart) != saved.chart_digest:
        raise _stale([f"the chart {chart.version} from {chart.source} is not the one that it was made with"])


def check_target(saved: Saved, target: Target, found: Iterable[Compared]) -> None:
    """Raises `StalePlan` when the same change would do something else now, naming what."""
    moved = []
    if digest(target.config) != saved.result_digest:
        moved.append("the values come out otherwise")
    now = digests_of_objects(found)
    names = sorted(name for name in saved.objects.keys() | now.keys() if saved.objects.get(name) != now.get(name))
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        moved.append(f"changed in the cluster meanwhile: {', '.join(f'`{name}`' for name in names[:5])}{more}")
    elif digest_of_manifest(parse(target.manifest, target.before.namespace)) != saved.manifest_digest:
        moved.append("the chart renders other objects in this cluster now")
    if moved:
        raise _stale(moved)


def _stale(moved: list[str]) -> StalePlan:
    return StalePlan(f"the plan is stale: {'; '.join(moved)}", hint=_MENDED)
