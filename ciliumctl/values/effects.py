"""What changes with one value: the chart rendered with its default and with another value, object by object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl import yaml_files
from ciliumctl.charts import Chart
from ciliumctl.clients.helm import Helm, Inputs
from ciliumctl.errors import HelmFailed
from ciliumctl.values.lint import rendering, types
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.paths import Path, get, join, leaves, merge, put

#: No value at all, where null is one.
MISSING: Any = object()
# Fields of one object that are named; the rest is counted.
_FIELDS = 8
# Made anew by each rendering.
_RANDOM = re.compile(r"checksum|caBundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChange:
    """One rendered object that differs: `what` is added, removed or changed; `fields` are dotted paths."""

    kind: str
    name: str
    namespace: str
    what: str
    fields: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What differs when the value is `tried` instead of its default.

    `besides` are the values that had to be set for it to do anything. `refused` says why the chart stops.
    `impact` is what the change does to a running network, where that was asked for.
    """

    tried: Any
    besides: tuple[str, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    refused: str = ""
    impact: str = ""


#: What a change of these objects does to a running network, in a word.
Impact = Callable[[Sequence[ObjectChange]], str]


def effect_of(
    path: Path, facts: Facts, helm: Helm, kube_version: str, value: Any, impact: Impact | None
) -> Effect | None:
    """What differs with another value; None where none suggests itself. Two helm processes."""
    tried = value if value is not MISSING else _other(path, facts)
    if tried is MISSING:
        return None
    besides = _switches(path, facts)
    render = _Renderer(facts.chart, helm, kube_version)
    before = render({}) if not besides else render(besides)
    if before is None:
        before, besides = render({}), {}
    changed = merge({}, besides)
    put(changed, path, tried)
    after = render(changed)
    if before is None or after is None:
        return Effect(tried=tried, besides=_names(besides), refused=render.refused)
    objects = tuple(differences(before, after))
    word = impact(objects) if impact is not None else ""
    return Effect(tried=tried, besides=_names(besides), objects=objects, impact=word)


def _names(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(join(path) for path, _value in leaves(values))


class _Renderer:
    """Renders the chart; `refused` is why the last time failed."""

    def __init__(self, chart: Chart, helm: Helm, kube_version: str) -> None:
        self._chart = chart
        self._helm = helm
        self._kube_version = kube_version
        self.refused = ""

    def __call__(self, values: Mapping[str, Any]) -> list[Any] | None:
        try:
            text = self._helm.render(
                "cilium",
                str(self._chart.path),
                Inputs(generated=values),
                namespace="kube-system",
                kube_version=self._kube_version,
                api_versions=rendering.API_VERSIONS,
            )
        except HelmFailed as error:
            self.refused = error.message
            return None
        return yaml_files.parse_all(text)


def _other(path: Path, facts: Facts) -> Any:
    """Another value than the default; missing where none suggests itself."""
    default = facts.default(path)
    node = types.below(facts.schema, path) if facts.schema else None
    choices = [word for word in (node or {}).get("enum", ()) if word not in (default, None, "")]
    if choices:
        return choices[0]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    kinds = (node or {}).get("type", ())
    if default is None and "boolean" in kinds:
        return True
    if isinstance(default, str):
        return {"true": "false", "false": "true"}.get(default, "changed")
    return MISSING


def _switches(path: Path, facts: Facts) -> dict[str, Any]:
    """What has to be on for a value to do anything: the `enabled` beside it and above it."""
    found: dict[str, Any] = {}
    for depth in range(1, len(path)):
        switch = (*path[:depth], "enabled")
        if switch != path and get(facts.chart.values, switch) is False:
            put(found, switch, True)
    return found


def differences(before: Sequence[Any], after: Sequence[Any]) -> Iterator[ObjectChange]:
    """How two rendered manifests differ, without what is random in each and without what is in Secrets."""
    old, new = ({_identity(found): found for found in objects} for objects in (before, after))
    for identity in sorted(old.keys() | new.keys()):
        kind, namespace, name = identity
        if identity not in old or identity not in new:
            what = "removed" if identity in old else "added"
            yield ObjectChange(kind=kind, name=name, namespace=namespace, what=what)
            continue
        left, right = (dict(_fields(found, kind)) for found in (old[identity], new[identity]))
        fields = [key for key in {**left, **right} if left.get(key, MISSING) != right.get(key, MISSING)]
        if fields:
            yield ObjectChange(
                kind=kind,
                name=name,
                namespace=namespace,
                what="changed",
                fields=tuple(fields[:_FIELDS]),
                more=max(0, len(fields) - _FIELDS),
            )


def _identity(found: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = found.get("metadata") or {}
    return str(found.get("kind", "")), str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _fields(found: Any, kind: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each single value in an object, without what is random in each rendering."""
    if isinstance(found, Mapping) and found:
        for key, value in found.items():
            if _RANDOM.search(str(key)) or (kind == "Secret" and not prefix and key == "data"):
                continue
            yield from _fields(value, kind, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(found, list) and found:
        for number, value in enumerate(found):
            label = value.get("name", number) if isinstance(value, Mapping) else number
            yield from _fields(value, kind, f"{prefix}[{label}]")
    else:
        yield prefix, found
