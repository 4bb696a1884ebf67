"""Findings in files as SARIF 2.1.0: what GitHub, GitLab and editors show beside the lines of code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

Level = Literal["error", "warning", "note"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of finding. `id` never changes its meaning; `help` is a page about it."""

    id: str
    name: str
    about: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One finding. `subject` is what it is about, such as a key; with the file it tells findings of a kind apart."""

    kind: str
    level: Level
    message: str
    subject: str = ""
    file: str = ""
    line: int = 0


def document(
    kinds: Sequence[Kind],
    results: Sequence[Result],
    *,
    tool: str,
    version: str,
    page: str,
    folder: PurePath,
    failure: str = "",
) -> str:
    """The log of one run. Files below `folder` are named relative to it, as those who read it want them.

    `failure` is why the run did not come to its end.
    """
    used = [kind for kind in kinds if any(result.kind == kind.id for result in results)]
    numbers = {kind.id: number for number, kind in enumerate(used)}
    driver = {
        "name": tool,
        "semanticVersion": version,
        "informationUri": page,
        "rules": [
            {
                "id": kind.id,
                "name": kind.name,
                "shortDescription": {"text": kind.about},
                "helpUri": kind.help,
            }
            for kind in used
        ],
    }
    invocation: dict[str, Any] = {"executionSuccessful": not failure}
    if failure:
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": failure}}]
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": _results(results, numbers, folder),
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _results(results: Sequence[Result], numbers: Mapping[str, int], folder: PurePath) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    found = []
    for result in results:
        uri = address(result.file, folder)
        # Without the line: a finding that moved is the same one.
        mark = hashlib.sha256(f"{result.kind} {uri} {result.subject}".encode()).hexdigest()[:32]
        seen[mark] = seen.get(mark, 0) + 1
        entry: dict[str, Any] = {
            "ruleId": result.kind,
            "ruleIndex": numbers[result.kind],
            "level": result.level,
            "message": {"text": result.message},
            "partialFingerprints": {"subject/v1": f"{mark}:{seen[mark]}"},
        }
        location = _location(result, uri)
        if location:
            entry["locations"] = [location]
        found.append(entry)
    return found


def _location(result: Result, uri: str) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if uri:
        place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
        if result.line:
            place["region"] = {"startLine": result.line}
        location["physicalLocation"] = place
    if result.subject:
        location["logicalLocations"] = [{"fullyQualifiedName": result.subject}]
    return location


def address(file: str, folder: PurePath) -> str:
    """A file as a relative URI where it is below `folder`; empty for what is no file."""
    if not file:
        return ""
    path = PurePath(file)
    if path.is_absolute():
        if not path.is_relative_to(folder):
            return "file://" + quote(path.as_posix())
        path = path.relative_to(folder)
    return quote(path.as_posix())
