"""Every value means to the chart what it is set for."""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged
from ciliumctl.checks._scene import Scene


def _findings(scene: Scene) -> Iterator[Finding]:
    for found in scene.value_findings:
        # That a default differs is what an upgrade is for.
        if found.severity != "info":
            key = f"`{found.key}`: " if found.key else ""
            yield Finding(
                text=f"{found.code} {key}{found.message}", severity=found.severity, object=f"Value//{found.key}"
            )


def _look(scene: Scene) -> Verdict:
    findings = list(_findings(scene))
    named = "; ".join(finding.text for finding in findings[:2])
    return judged(
        findings,
        good=f"{scene.target.version} knows all of them",
        bad=named if len(findings) <= 2 else f"{counted(len(findings), 'value')}: {named} and more",
        hint="`ciliumctl values lint FILE` says what to write instead, and writes it with `--fix`",
    )


VALUES_MEANING = Check(
    id="CIL-VAL-002",
    category="values",
    title="every value means to the chart what it is set for",
    why="Cilium's charts ignore a value that they do not know without a word: a misspelt key, or one of an earlier "
    "version, is the same as none. Some of those change where pods get their addresses from.",
    remedy="Write the value as the chart of that version has it; `ciliumctl values explain KEY` shows what there is.",
    look=_look,
    reads=("value_findings",),
)
