"""What the chart's own validation has against values: rendered with Helm, its words traced back to the values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path as File
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.helm import Helm, Inputs
from ciliumctl.errors import ChartRefused, HelmFailed, HelmTimedOut, ValuesInvalid
from ciliumctl.values.lint import ranges
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.lint.model import Finding
from ciliumctl.values.paths import Path, get, join, merge, remove, split

# So many complaints are collected: after each, the values that it is about are left out and the rest is rendered again.
_ROUNDS = 6
#: What charts look for in a cluster, so that nothing is refused for want of a CRD that may well be there.
API_VERSIONS = (
    "monitoring.coreos.com/v1",
    "cert-manager.io/v1",
    "gateway.networking.k8s.io/v1/GatewayClass",
    "gateway.networking.k8s.io/v1",
)
_VERB = re.compile(r"%[a-z]")
_NAMED = re.compile(r"(?:\.Values\.)?\b([a-z]\w*(?:\.\w+)+|[a-z]+[A-Z]\w*)")
_SCHEMA = re.compile(r"`([\w.\-]+)`: (.+?)(?:; |$)")


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """What is known of the charts' `fail` texts."""
    return tuple(templates.load("values/rules/validation.yaml"))


def findings(values: Mapping[str, Any], facts: Facts, helm: Helm, *, kube_version: str) -> list[Finding]:
    """Everything that stops the chart from being rendered with these values. One helm process, one more for each."""
    left: dict[str, Any] = merge({}, values)
    found: list[Finding] = []
    for _round in range(_ROUNDS):
        error = _error(left, facts.chart.path, helm, kube_version)
        if error is None:
            break
        new = _explained(error, left, facts)
        if any(finding.key == known.key and finding.message == known.message for finding in new for known in found):
            break
        found += new
        keys = [finding.key for finding in new if finding.key and get(left, split(finding.key)) is not None]
        if not keys:
            break
        for key in keys:
            remove(left, split(key))
    return found


def _error(values: Mapping[str, Any], chart: File, helm: Helm, kube_version: str) -> HelmFailed | None:
    inputs = Inputs(generated=values)
    try:
        helm.render(
            "cilium", str(chart), inputs, namespace="kube-system", kube_version=kube_version, api_versions=API_VERSIONS
        )
    except HelmTimedOut:
        raise
    except HelmFailed as error:
        return error
    return None


def _explained(error: HelmFailed, values: Mapping[str, Any], facts: Facts) -> list[Finding]:
    if isinstance(error, ValuesInvalid):
        pairs = _SCHEMA.findall(error.message.partition(": ")[2])
        return [
            Finding(code="CV102", severity="error", key=key, message=f"the chart's schema says: {why}")
            for key, why in pairs
        ] or [Finding(code="CV102", severity="error", key="", message=error.message)]
    why = error.message.partition(": ")[2] if isinstance(error, ChartRefused) else error.message
    keys = keys_of(why, facts)
    key = _to_blame(keys, values, why)
    rule = rule_for(why, facts.chart.version)
    refused = isinstance(error, ChartRefused) and error.message.startswith("the chart refuses")
    code, severity = ("CV103", "error") if refused else ("CV104", "error")
    advice = ""
    if rule is not None:
        advice = f" ({rule['advice']})" if "advice" in rule else ""
        if rule.get("cluster"):
            code, severity = "CV105", "info"
    return [
        Finding(
            code=code,
            severity=severity,  # type: ignore[arg-type]  # one of the words above
            key=join(key),
            message=f"chart {facts.chart.version} says: {' '.join(why.split())}{advice}",
            rule=rule["id"] if rule is not None else "",
        )
    ]


def rule_for(message: str, version: str) -> dict[str, Any] | None:
    """The rule about one of the charts' own complaints."""
    for rule in rules():
        if _pattern(rule["message"]).search(message) and ranges.within(version, rule["versions"]):
            return rule
    return None


def keys_of(message: str, facts: Facts) -> tuple[Path, ...]:
    """The values that a complaint is about: those its conditions read in the templates, then those that it names."""
    found: list[Path] = []
    for refusal in facts.reads.refusals:
        if _pattern(refusal.message.strip()).search(message):
            found += [key for key in refusal.keys if "*" not in key and key not in found]
    named = [split(text.rstrip(".")) for text in _NAMED.findall(message)]
    found += [path for path in named if path not in found and facts.state(path) != "unknown"]
    return tuple(found)


def _pattern(message: str) -> re.Pattern[str]:
    """A format of the templates as a pattern: `%s` stands for anything."""
    return re.compile(r".*?".join(re.escape(part) for part in _VERB.split(message[:200])), re.DOTALL)


def _to_blame(keys: Sequence[Path], values: Mapping[str, Any], message: str) -> Path:
    """Of the values that a complaint is about the one that the user sets; the last condition is the nearest."""
    mine = [key for key in keys if get(values, key) is not None]
    named = [key for key in mine if join(key) in message]
    truthy = [key for key in mine if get(values, key) not in (False, "", 0)]
    chosen = truthy or mine
    # A condition nearer to the complaint, and one that it does not ask for, is more to blame.
    away = [key for key in chosen if key not in named]
    return (away or chosen or list(keys) or [()])[-1]
