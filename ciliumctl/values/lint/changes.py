"""What changes between two charts without a word in the values: defaults, and notes about upgrades."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ciliumctl import templates
from ciliumctl.charts import Chart
from ciliumctl.values.lint import ranges
from ciliumctl.values.lint.model import Finding
from ciliumctl.values.paths import Path, get, join, leaves, split

_MISSING: Any = object()
# Images differ in every chart, and that is what an upgrade is for.
_IMAGES = frozenset(["image", "tag", "digest", "useDigest", "genericDigest", "awsDigest", "azureDigest"])


@cache
def _defaults() -> tuple[dict[str, Any], ...]:
    return tuple(templates.load("values/rules/defaults.yaml"))


@cache
def _combinations() -> tuple[dict[str, Any], ...]:
    return tuple(templates.load("values/rules/combinations.yaml"))


def of_upgrade(merged: Mapping[str, Any], chart: Chart, coming_from: str | Chart) -> list[Finding]:
    """The defaults that change on the way to `chart`, for what the user does not set."""
    before = coming_from if isinstance(coming_from, Chart) else None
    start = before.version if before else str(coming_from).removeprefix("v")
    if ranges.number(start) is None:
        return []
    if ranges.older(chart.version, start):
        message = f"{start} is newer than chart {chart.version}: a way back, for which no rule is known"
        return [Finding(code="CV404", severity="warning", key="", message=message)]
    found = list(_with_rules(merged, chart, before, start))
    if before is not None:
        told = {finding.key for finding in found}
        found += [finding for finding in _others(merged, chart, before) if finding.key not in told]
    return found


def _with_rules(merged: Mapping[str, Any], chart: Chart, before: Chart | None, start: str) -> Iterator[Finding]:
    for rule in _defaults():
        # Crossed by this upgrade: since is after the start, and not after the target.
        if not ranges.older(start, rule["since"]) or ranges.older(chart.version, rule["since"]):
            continue
        path = split(rule["key"]) if rule["key"] else ()
        if (path and get(merged, path) is not None) or not _applies(rule, merged, chart):
            continue
        message = rule["message"]
        if path:
            old, new = _old_and_new(rule, path, chart, before)
            if not rule.get("computed") and old == new:
                continue
            message = f"it was {_shown(old)} up to {start} and is {_shown(new)} in {chart.version}: {message}"
        yield Finding(
            code="CV401" if path else "CV403",
            severity=rule.get("level", "warning"),
            key=rule["key"],
            message=message,
            rule=rule.get("id", rule["key"]),
        )


def _old_and_new(rule: Mapping[str, Any], path: Path, chart: Chart, before: Chart | None) -> tuple[Any, Any]:
    """The defaults of the two charts; the rule's own where a chart is not at hand, or works it out."""
    old = get(before.values, path, _MISSING) if before is not None else _MISSING
    new = get(chart.values, path, _MISSING)
    old = rule["old"] if old is _MISSING else old
    new = rule["new"] if new is _MISSING or (rule.get("computed") and new is None) else new
    return old, new


def _applies(rule: Mapping[str, Any], merged: Mapping[str, Any], chart: Chart) -> bool:
    compat = str(get(merged, ("upgradeCompatibility",)) or "")
    if "compat" in rule and compat and ranges.older(compat, rule["compat"]):
        return False
    return all(_effective(merged, chart, key) == wanted for key, wanted in rule.get("when", {}).items())


def _effective(merged: Mapping[str, Any], chart: Chart, key: str) -> Any:
    found = get(merged, split(key), _MISSING)
    return get(chart.values, split(key)) if found is _MISSING else found


def _others(merged: Mapping[str, Any], chart: Chart, before: Chart) -> Iterator[Finding]:
    """Every other default that both charts have and that differs, without images."""
    for path, new in leaves(chart.values):
        old = get(before.values, path, _MISSING)
        empty: tuple[Any, ...] = (None, "", [], {})
        if (
            old is _MISSING
            or old == new
            or (old in empty and new in empty)
            or _IMAGES.intersection(path)
            or get(merged, path) is not None
        ):
            continue
        yield Finding(
            code="CV402",
            severity="info",
            key=join(path),
            message=f"it was {_shown(old)} in {before.version} and is {_shown(new)} in {chart.version}",
        )


def of_combinations(merged: Mapping[str, Any], chart: Chart) -> list[Finding]:
    """Values that only work together with others that are not there."""
    return [
        Finding(
            code="CV501",
            severity=rule.get("level", "error"),
            key=rule["key"],
            message=rule["message"],
            rule=rule["id"],
        )
        for rule in _combinations()
        if ranges.within(chart.version, rule["versions"]) and _clashes(rule, merged, chart)
    ]


def _clashes(rule: Mapping[str, Any], merged: Mapping[str, Any], chart: Chart) -> bool:
    if get(merged, split(rule["key"])) is None:
        return False
    if "compat" in rule and not ranges.within(str(get(merged, ("upgradeCompatibility",))), rule["compat"]):
        return False
    if any(_effective(merged, chart, key) != wanted for key, wanted in rule.get("when", {}).items()):
        return False
    if any(_effective(merged, chart, key) not in (None, "") for key in rule.get("missing", ())):
        # The chart's own value counts, too: 1.18 sets `kubeProxyReplacement` itself.
        return False
    return not any(
        all(_effective(merged, chart, key) == wanted for key, wanted in case.items()) for case in rule.get("unless", ())
    )


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"
