"""What one value is: the chart's own words, its type and default, since when, and what changes with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from ciliumctl import yaml_files
from ciliumctl.charts import Chart
from ciliumctl.clients.helm import Helm, Inputs
from ciliumctl.errors import HelmFailed, UsageError
from ciliumctl.values.lint import rendering, rules, since, types
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.paths import Path, get, join, leaves, merge, put, split

_MISSING: Any = object()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A value below the one that is explained."""

    key: str
    type: str
    default: Any
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is known of one value.

    `since` and `before` are the first chart that has it and the last one without, of those that were looked at.
    `source` says where it is known from: `own` (values.yaml), `read` (a template alone) or `free` (below a free map).
    """

    kind: ClassVar[str] = "ValueExplanation"

    key: str
    version: str
    source: str
    about: str
    type: str
    default: Any
    since: str
    before: str
    notes: tuple[str, ...]
    below: tuple[Below, ...] = ()
    effect: Effect | None = None

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


#: What a change of these objects does to a running network, in a word.
Impact = Callable[[Sequence[ObjectChange]], str]


def explain(
    key: str,
    chart: Chart,
    *,
    helm: Helm | None,
    kube_version: str,
    value: Any = _MISSING,
    impact: Impact | None = None,
) -> Explained:
    """What is known of a value. With `helm` the chart is rendered with its default and with another value.

    `value` is what to try instead of the default; one is made up for what has no obvious other. `impact` may say what
    such a change does to a running network.

    Raises:
        UsageError: the chart has no such value; the hint names those that look like it.
    """
    facts = Facts(chart)
    path = split(key)
    state = facts.state(path)
    told = tuple(_told(path, chart.version))
    if state == "unknown" and not told:
        near = facts.names(key)
        listed = ", ".join(f"`{name}`" for name in near)
        raise UsageError(
            f"chart {chart.version} has no value `{key}`",
            hint=f"it has {listed}" if near else "`ciliumctl values show --all --offline` lists all",
        )
    comments = _comments(chart)
    span = since.of(key)
    default = facts.default(path)
    below = tuple(_below(path, default, facts, comments))
    effect = None
    if helm is not None and state != "unknown" and not below:
        effect = _effect(path, facts, helm, kube_version, value, impact)
    return Explained(
        key=key,
        version=chart.version,
        source=state,
        about=comments.get(path, ""),
        type=_type(path, default, facts),
        default=default,
        since=span.first if span else "",
        before=span.before if span else "",
        notes=told,
        below=below,
        effect=effect,
    )


def _told(path: Path, version: str) -> Iterator[str]:
    """What the rules know of a value."""
    words = {
        "legacy": "charts since 1.9 ignore it",
        "ignored": f"chart {version} ignores it",
        "fails": f"chart {version} refuses it",
        "type": "its type has changed",
        "changed": "its meaning has changed",
        "deprecated": "deprecated",
        "works": "it works as ever",
    }
    for rule in (*rules.legacy(), *rules.modern()):
        effect = rule.effect(version)
        if rule.key != path or effect is None:
            continue
        only = rule.data.get("only")
        which = f" with {', '.join(f'`{word}`' for word in only)}" if isinstance(only, list) else ""
        target = rule.data.get("to") or ", ".join(rule.data.get("text", {}))
        instead = f"; now `{target}`" if target else f"; {rule.data['gone']}" if "gone" in rule.data else ""
        yield f"{words[effect]}{which}{instead}"


def _type(path: Path, default: Any, facts: Facts) -> str:
    node = types.below(facts.schema, path) if facts.schema else None
    allowed = node.get("type") if node else None
    if isinstance(allowed, str):
        return allowed
    if isinstance(allowed, list):
        return " or ".join(allowed)
    return types.kind_of(default) if default is not None else ""


def _below(path: Path, default: Any, facts: Facts, comments: Mapping[Path, str]) -> Iterator[Below]:
    if not isinstance(default, Mapping):
        return
    for rest, value in leaves(default):
        here = (*path, *rest)
        about = comments.get(here, "").partition(". ")[0]
        yield Below(key=join(here), type=_type(here, value, facts), default=value, about=about)


# The chart's own words


def _comments(chart: Chart) -> dict[Path, str]:
    """What values.yaml says above each of its keys."""
    text = chart.files.get("values.yaml", b"").decode("utf-8", "replace")
    lines = text.splitlines()
    found: dict[Path, str] = {}

    def walk(node: Any, prefix: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*prefix, str(key.value))
                found[here] = _above(lines, key.start_mark.line)
                walk(value, here)

    walk(yaml.compose(text, Loader=yaml_files.Loader), ())
    return found


def _above(lines: Sequence[str], line: int) -> str:
    """The comment right above a line, as one text: without what is for the schema's generator."""
    block: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        block.insert(0, lines[line].strip().lstrip("#").strip())
    start = next((number for number, text in enumerate(block) if text.startswith("--")), None)
    if start is None:
        return ""
    said: list[str] = []
    skipping = False
    for text in block[start:]:
        if text.startswith("@schema"):
            skipping = not skipping
        elif not skipping and not text.startswith("@"):
            said.append(text.removeprefix("--").strip())
    return " ".join(said).strip()


# What changes


def _effect(
    path: Path, facts: Facts, helm: Helm, kube_version: str, value: Any, impact: Impact | None
) -> Effect | None:
    tried = value if value is not _MISSING else _other(path, facts)
    if tried is _MISSING:
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
    objects = tuple(_differences(before, after))
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
    return _MISSING


def _switches(path: Path, facts: Facts) -> dict[str, Any]:
    """What has to be on for a value to do anything: the `enabled` beside it and above it."""
    found: dict[str, Any] = {}
    for depth in range(1, len(path)):
        switch = (*path[:depth], "enabled")
        if switch != path and get(facts.chart.values, switch) is False:
            put(found, switch, True)
    return found


def _differences(before: Sequence[Any], after: Sequence[Any]) -> Iterator[ObjectChange]:
    old, new = ({_identity(found): found for found in objects} for objects in (before, after))
    for identity in sorted(old.keys() | new.keys()):
        kind, namespace, name = identity
        if identity not in old or identity not in new:
            what = "removed" if identity in old else "added"
            yield ObjectChange(kind=kind, name=name, namespace=namespace, what=what)
            continue
        left, right = (dict(_fields(found, kind)) for found in (old[identity], new[identity]))
        fields = [key for key in {**left, **right} if left.get(key, _MISSING) != right.get(key, _MISSING)]
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
