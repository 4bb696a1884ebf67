"""One layer of values against one chart: old names, unknown names, wrong types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ciliumctl.findings import Severity
from ciliumctl.values import secrets
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import since
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.lint.model import Finding
from ciliumctl.values.lint.rules import LEGACY_TOPS
from ciliumctl.values.lint.translating import Match, legacy_leftovers, matches
from ciliumctl.values.paths import Path, join, merge, put, split

_CODES = {
    "legacy": "CV301",
    "ignored": "CV201",
    "fails": "CV203",
    "type": "CV205",
    "changed": "CV206",
    "deprecated": "CV204",
}


def layer_findings(layer: Layer, facts: Facts, merged: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with the values of one layer."""
    version = facts.chart.version
    found: list[Finding] = []
    taken: list[Path] = []
    for match in matches(layer.values, version, facts, merged):
        key = match.rule.key
        if any(key[: len(path)] == path or path[: len(key)] == key for path in taken):
            # One finding at a time: the rest of a map is told when the first is mended.
            continue
        taken.append(match.rule.key)
        found.append(_of_rule(match, layer, facts, merged))
    for path in legacy_leftovers(layer.values, version, facts):
        taken.append(path)
        message = "charts since 1.9 ignore it, and none of today has it under another name"
        found.append(_finding("CV301", "error", path, message, layer, fixable=True))
    found += _walk(layer, facts, layer.values, (), taken)
    return found


def _finding(code: str, severity: Severity, path: Path, message: str, layer: Layer, **more: Any) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        key=join(path),
        message=message,
        file=layer.origin,
        line=layer.lines.get(path, 0) or _above(layer, path),
        **more,
    )


def _above(layer: Layer, path: Path) -> int:
    """The line of the nearest key above, for what an alias brought."""
    return next((layer.lines[path[:n]] for n in range(len(path) - 1, 0, -1) if path[:n] in layer.lines), 0)


def final(match: Match, version: str, facts: Facts, merged: Mapping[str, Any]) -> dict[str, Any]:
    """What is written in the end: what a rule makes of a value may be the subject of another rule."""
    done: dict[str, Any] = {}
    todo = dict(match.becomes or {})
    for _round in range(4):
        values: dict[str, Any] = {}
        for target, value in todo.items():
            put(values, split(target), value)
        more = {join(other.rule.key): other for other in matches(values, version, facts, merge(merged, values))}
        again: dict[str, Any] = {}
        for target, value in todo.items():
            other = more.get(target)
            if other is None or other.becomes is None or other.becomes == {target: value}:
                done.setdefault(target, value)
            else:
                again.update(other.becomes)
        if not again:
            break
        todo = again
    return {**done, **todo} if todo.keys() <= done.keys() else done


def _of_rule(match: Match, layer: Layer, facts: Facts, merged: Mapping[str, Any]) -> Finding:
    rule, effect, version = match.rule, match.effect, facts.chart.version
    code = _CODES[effect]
    if effect == "ignored" and "to" in rule.data and not rule.data.get("guess"):
        code = "CV202"
    lost = rule.lost(match.value) if effect == "ignored" else ""
    severity: Severity = "warning" if effect == "deprecated" else "error"
    if effect == "ignored" and (
        ("harmless" in rule.data and not lost) or (match.becomes == {} and "guess" in rule.data)
    ):
        severity, lost = "warning", ""
    return _finding(
        code,
        rule.data.get("level", severity),
        rule.key,
        _sentence(match, version, lost),
        layer,
        translation=final(match, version, facts, merged) if match.becomes is not None else {},
        fixable=match.becomes is not None,
        lost=lost,
        rule=rule.id,
    )


def _sentence(match: Match, version: str, lost: str) -> str:
    data, effect = match.rule.data, match.effect
    what = {
        "legacy": "charts since 1.9 ignore it",
        "ignored": f"chart {version} ignores it",
        "fails": f"chart {version} refuses it",
        "type": f"chart {version} wants another type here",
        "changed": f"chart {version} takes it for something else",
        "deprecated": f"chart {version} still takes it, a later one will not",
    }[effect]
    parts = [what]
    if lost:
        parts.append(lost)
    if data.get("message"):
        parts.append(str(data["message"]))
    if data.get("gone"):
        parts.append(str(data["gone"]))
    if data.get("note"):
        parts.append(str(data["note"]))
    return "; ".join(dict.fromkeys(parts)) if len(parts) < 2 else f"{parts[0]}: {'; '.join(dict.fromkeys(parts[1:]))}"


def _walk(layer: Layer, facts: Facts, values: Mapping[str, Any], prefix: Path, taken: list[Path]) -> Iterator[Finding]:
    for key, value in values.items():
        path = (*prefix, str(key))
        if path in taken or (not prefix and key in LEGACY_TOPS):
            continue
        if facts.state(path) == "unknown":
            # A map above one that a rule has told of already is told with it.
            if not (isinstance(value, Mapping) and any(rule[: len(path)] == path for rule in taken)):
                yield _unknown(layer, facts, path)
                continue
        elif (wrong := facts.wrong_type(path, value)) is not None:
            yield _finding(
                "CV102",
                "error",
                path,
                f"chart {facts.chart.version} wants {wrong.wants}"
                + ("" if secrets.is_secret_path(path) else f", not {wrong.has}"),
                layer,
                translation={join(path): wrong.instead} if wrong.certain else {},
                fixable=wrong.certain,
            )
            continue
        if isinstance(value, Mapping):
            yield from _walk(layer, facts, value, path, taken)


def _unknown(layer: Layer, facts: Facts, path: Path) -> Finding:
    version = facts.chart.version
    span = since.of(join(path))
    near = facts.nearest(path)
    advice = f"; did you mean `{near}`?" if near else ""
    if span is not None and span.last and since.before(span.last, version):
        message = f"chart {version} has no such value any more, {span.last} still had it{advice}"
        return _finding("CV201", "error", path, message, layer)
    if span is not None and since.before(version, span.first):
        message = f"chart {version} has no such value yet, {span.first} has it{advice}"
        return _finding("CV101", "error", path, message, layer)
    message = f"chart {version} has no such value, and no template reads it{advice}"
    return _finding("CV101", "error", path, message, layer)
