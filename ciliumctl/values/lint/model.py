"""What lint finds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ciliumctl.findings import FailOn, Severity, reaches

#: Every code, with what it stands for: the documentation and SARIF have it from here. A code never changes its meaning.
CODES: dict[str, tuple[str, str]] = {
    "CV001": ("not-yaml", "The file is not valid YAML, or Helm cannot read it."),
    "CV002": ("not-a-map", "The file is valid YAML, and not a map of values."),
    "CV003": ("duplicate-key", "A key stands in a map twice; Helm takes the last one without a word."),
    "CV004": ("empty-file", "The file has no values."),
    "CV005": ("several-documents", "The file has several documents; Helm 3 reads the first one only."),
    "CV101": ("unknown-key", "The chart has no such value and no template reads it: it does nothing."),
    "CV102": ("wrong-type", "The chart wants another type, by its schema or by its own value."),
    "CV103": ("refused", "The chart's own validation stops with these values: rendered with Helm."),
    "CV104": ("not-rendered", "A template cannot be rendered with these values."),
    "CV105": ("needs-cluster", "The chart asks the cluster about it, so it cannot be checked without one."),
    "CV201": ("ignored-key", "The chart has dropped the value and ignores it."),
    "CV202": ("renamed-key", "The value has another name now, and the chart ignores the old one."),
    "CV203": ("refused-key", "The chart stops when the value is set."),
    "CV204": ("deprecated-key", "The value still works, and a later chart drops it."),
    "CV205": ("changed-type", "The value has had another type since, and the chart misreads the old one."),
    "CV206": ("changed-meaning", "The value means something else than before."),
    "CV301": ("legacy-key", "A value of the umbrella charts up to 1.8, which all charts since ignore."),
    "CV401": ("default-changed", "The chart's own value has changed since, with consequences, and you do not set it."),
    "CV402": ("other-default", "The chart's own value has changed since, and you do not set it."),
    "CV403": ("upgrade-note", "Something besides the values changes between the two versions."),
    "CV404": ("newer-from", "The version to come from is newer than the chart's."),
    "CV501": ("missing-value", "Values that only work together with others, which are not set."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about one value.

    Attributes:
        key: The value's dotted path; empty where it is about a whole file or an upgrade.
        translation: What to write instead, by dotted path; empty with `fixable` means: nothing.
        fixable: Whether `--fix` does it.
        lost: What it means that the chart ignores the value; empty when nobody would notice.
        file: Where it stands: a file, or the flag that sets it.
        line: From 1; 0 where there is none.
        rule: Which rule of the data files says so; empty where the chart itself does.
    """

    code: str
    severity: Severity
    key: str
    message: str
    translation: Mapping[str, Any] = field(default_factory=dict)
    fixable: bool = False
    lost: str = ""
    file: str = ""
    line: int = 0
    rule: str = ""

    @property
    def where(self) -> str:
        """Such as `my.yaml:12`."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A file with its values translated: `text` is the whole of it.

    `kept` is false where the comments could not be kept, `written` true when it is on disk.
    `backup` is where the file is as it was, when comments were lost on disk.
    """

    file: str
    text: str
    changed: bool
    kept: bool
    written: bool = False
    backup: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What is wrong with values for one chart. `rendered` says whether Helm was asked, too."""

    kind: ClassVar[str] = "ValuesLint"

    chart: str
    version: str
    coming_from: str = ""
    rendered: bool = False
    findings: tuple[Finding, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    fail_on: FailOn = "error"

    @property
    def ok(self) -> bool:
        """Whether no finding is as grave as `fail_on`."""
        return not any(reaches(finding.severity, self.fail_on) for finding in self.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What values are for another chart. `moved` pairs old paths with new ones; `lost` says what has no place there."""

    values: Mapping[str, Any]
    moved: tuple[tuple[str, str], ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
