"""Test results for other programs: JUnit XML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from xml.etree import ElementTree as ET

Outcome = Literal["passed", "failed", "error", "skipped", "flaky"]

# What XML 1.0 has no place for, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SIGNS = {"passed": "✅", "failed": "❌", "error": "❌", "skipped": "⏭️", "flaky": "⚠️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. `message` is one line, `details` are more of them; `file` and `line` are where it is about."""

    name: str
    about: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""
    details: tuple[str, ...] = ()
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tests that belong together, with what they ran on."""

    name: str
    cases: tuple[Case, ...]
    properties: Mapping[str, str] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        """How many of them ended so."""
        return sum(case.outcome == outcome for case in self.cases)


def junit(title: str, suites: Sequence[Suite], now: datetime | None = None) -> str:
    """The suites as JUnit XML, in the form that Jenkins, GitLab and the GitHub reporters read."""
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    root = ET.Element("testsuites", _totals(title, [case for suite in suites for case in suite.cases]))
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {**_totals(suite.name, suite.cases), "timestamp": moment})
        if suite.properties:
            properties = ET.SubElement(element, "properties")
            for name, value in suite.properties.items():
                ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
        for case in suite.cases:
            _case(element, f"{title}.{suite.name}", case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _totals(name: str, cases: Sequence[Case]) -> dict[str, str]:
    def count(outcome: Outcome) -> str:
        return str(sum(case.outcome == outcome for case in cases))

    return {
        "name": name,
        "tests": str(len(cases)),
        "failures": count("failed"),
        "errors": count("error"),
        "skipped": count("skipped"),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _case(suite: ET.Element, path: str, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", {"name": case.name, "classname": path, "time": f"{case.seconds:.3f}"})
    if case.file:
        element.set("file", _clean(case.file))
    if case.line:
        element.set("line", str(case.line))
    tag = {"failed": "failure", "error": "error", "skipped": "skipped", "flaky": "flakyFailure"}.get(case.outcome)
    if tag is not None:
        said = ET.SubElement(element, tag, {"message": _clean(case.message), "type": case.outcome})
        said.text = _clean("\n".join((case.about, *case.details)))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(title: str, suites: Sequence[Suite], remarks: Sequence[str] = ()) -> str:
    """The suites as a page: the sum, what failed in full, then every test in a table."""
    cases = [case for suite in suites for case in suite.cases]
    bad = [case for case in cases if case.outcome in {"failed", "error"}]
    good = sum(case.outcome in {"passed", "flaky"} for case in cases)
    skipped = sum(case.outcome == "skipped" for case in cases)
    lines = [f"## {title}", "", f"**{good} passed, {len(bad)} failed, {skipped} skipped**", ""]
    lines += [f"- {remark}" for remark in remarks] + ([""] if remarks else [])
    for case in bad:
        lines += [f"### ❌ {case.name}", "", f"{case.about}: {_cell(case.message)}", "", "```text"]
        lines += [line.replace("```", "'''") for line in case.details] + ["```", ""]
    lines += ["<details><summary>All tests</summary>", "", "| | test | seconds | |", "|---|---|---|---|"]
    lines += [
        f"| {_SIGNS[case.outcome]} | {case.name} | {case.seconds:.1f} | {_cell(case.message)} |" for case in cases
    ]
    return "\n".join([*lines, "", "</details>", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
