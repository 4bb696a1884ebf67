"""What is wrong with values for one chart, what they are in its words, and what changes on the way to it.

The chart at hand says what it knows; rules, which are data, say what became of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ciliumctl.charts import Chart
from ciliumctl.clients.helm import Helm
from ciliumctl.findings import FailOn
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import changes, rendering
from ciliumctl.values.lint.checking import layer_findings
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.lint.model import CODES, Finding, Fixed, Lint, Translation
from ciliumctl.values.lint.translating import translate
from ciliumctl.values.paths import get, merge, put, remove, split

__all__ = [
    "CODES",
    "Facts",
    "Finding",
    "Fixed",
    "Lint",
    "Translation",
    "check",
    "translate",
]

#: What the chart is rendered for where no cluster says.
KUBERNETES = "1.34.0"


def check(
    layers: Sequence[Layer],
    chart: Chart,
    *,
    coming_from: str | Chart = "",
    helm: Helm | None = None,
    kube_version: str = KUBERNETES,
    problems: Sequence[Finding] = (),
    fail_on: FailOn = "error",
    facts: Facts | None = None,
) -> Lint:
    """Everything that is wrong with the values in `layers` for one chart.

    With `helm` the values are rendered, too, translated first: so that what the rules know does not hide what they do
    not. With `coming_from`, a version or a chart, the defaults that change on the way. `problems` are those that were
    found in the files before. Asks no cluster.
    """
    facts = facts or Facts(chart)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer.values)
    found = list(problems)
    # What other values come to once they are translated decides on some: `strict` is a yes, too.
    meant = merge(merged, translate(merged, chart.version, facts=facts).values)
    for layer in layers:
        found += layer_findings(layer, facts, meant)
    found += [_placed(finding, layers) for finding in changes.of_combinations(merged, chart)]
    if helm is not None:
        sound = _sound(merged, found, facts)
        found += [
            _placed(finding, layers)
            for finding in rendering.findings(sound, facts, helm, kube_version=kube_version)
            if not any(known.key == finding.key and known.severity == "error" for known in found)
        ]
    if coming_from:
        found += changes.of_upgrade(merged, chart, coming_from)
    start = coming_from.version if isinstance(coming_from, Chart) else coming_from
    return Lint(
        chart=chart.source,
        version=chart.version,
        coming_from=start,
        rendered=helm is not None,
        findings=tuple(sorted(found, key=_order(layers))),
        fail_on=fail_on,
    )


def _sound(merged: Mapping[str, Any], found: Sequence[Finding], facts: Facts) -> dict[str, Any]:
    """The values as far as nothing is known against them: translated, and without those of a wrong type."""
    values: dict[str, Any] = dict(translate(merged, facts.chart.version, facts=facts).values)
    for finding in found:
        path = split(finding.key) if finding.key else ()
        if not path or finding.severity != "error" or get(values, path) is None:
            continue
        if finding.code in {"CV102", "CV201", "CV203", "CV205"}:
            remove(values, path)
            if finding.code == "CV102" and finding.fixable:
                put(values, path, finding.translation[finding.key])
    return values


def _placed(finding: Finding, layers: Sequence[Layer]) -> Finding:
    """The finding with the last place that sets its value."""
    path = split(finding.key) if finding.key else ()
    for layer in reversed(layers):
        if path and get(layer.values, path) is not None:
            return replace(finding, file=layer.origin, line=layer.lines.get(path, 0))
    return finding


def _order(layers: Sequence[Layer]) -> Any:
    places = {layer.origin: number for number, layer in enumerate(layers)}
    return lambda finding: (places.get(finding.file, len(places)), finding.line, finding.code, finding.key)
