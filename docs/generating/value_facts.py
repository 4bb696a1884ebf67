"""Make `templates/values/facts/since.yaml`: which of Cilium's charts has which value. Run it when a new chart is added.

    python -m docs.generating.value_facts ../shared/data/charts

Only facts are taken: the names of values, none of the charts' texts.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import semver

from ciliumctl import charts
from ciliumctl.templates import path
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.paths import join

_HEAD = """\
# Which of Cilium's charts has which value: the number of the first and of the last chart in the list that has it.
# Made by `python -m docs.generating.value_facts FOLDER` from the charts' own values.yaml
# and, for the charts before the first that has it there, from what their templates read.
"""


def main(folder: Path) -> None:
    """Write the file from the archives in a folder."""
    found = [charts.read(file) for file in folder.glob("cilium-*.tgz")]
    path("values/facts/since.yaml").write_text(text(found), encoding="utf-8")


def text(found: list[charts.Chart]) -> str:
    """The file's content for some charts, whichever order they come in."""
    ordered = sorted(found, key=lambda chart: semver.Version.parse(chart.version))
    spans: dict[str, list[int]] = {}
    for number, chart in enumerate(ordered):
        for key in _keys(chart.values, ()):
            spans.setdefault(key, [number, number])[1] = number
    read = [_read(chart) for chart in ordered]
    for key, span in spans.items():
        # Charts had it before it came into their values.yaml.
        while span[0] and key in read[span[0] - 1]:
            span[0] -= 1
    grouped: dict[tuple[int, int], list[str]] = {}
    for key, (first, last) in sorted(spans.items()):
        grouped.setdefault((first, last), []).append(key)
    listed = ", ".join(chart.version for chart in ordered)
    lines = [f"charts: [{listed}]", "spans:"]
    for (first, last), keys in sorted(grouped.items()):
        # Texts, not lists: reading 1600 scalars would take longer than all the rest of a check.
        lines += [f"  - first: {first}", f"    last: {last}", "    keys: >-"]
        lines += [
            f"      {line}"
            for line in textwrap.wrap(" ".join(keys), 112, break_long_words=False, break_on_hyphens=False)
        ]
    return "\n".join([_HEAD.rstrip(), *lines, ""])


def _keys(values: Mapping[str, Any], prefix: tuple[str, ...]) -> list[str]:
    found = []
    for key, value in values.items():
        here = (*prefix, str(key))
        found.append(join(here))
        if isinstance(value, Mapping):
            found += _keys(value, here)
    return found


def _read(chart: charts.Chart) -> set[str]:
    """What the templates read."""
    return {join(path) for path in Facts(chart).reads.paths}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
