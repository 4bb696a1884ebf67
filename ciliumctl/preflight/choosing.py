"""Which checks run, and which findings nobody wants to hear of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from ciliumctl import checks, yaml_files
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed
from ciliumctl.errors import BadFile, UsageError
from ciliumctl.preflight.result import FailOn

#: What `--only` and `--skip` call the programs of others by.
EXTERNAL = "external"
# How like a name of ours another one is to be taken for it: surely where it may also be somebody else's.
_LIKELY, _SURE = 0.6, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Findings of a check about an object that are left out. `why` and `until` are a baseline's."""

    check: str
    object: str
    why: str = ""
    until: date | None = None

    def covers(self, check: str, finding: Finding) -> bool:
        """Whether it means this finding."""
        return fnmatchcase(check.upper(), self.check.upper()) and _same_object(self.object, finding.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChecks:
    """That every node is looked at by a pod of `image` (the agent's when empty); `owner` is who runs this."""

    image: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is wanted of a run. `only` and `skip` hold ids, categories and shell patterns; `skip_reason` is told.

    Without `nodes`, no node is looked at by a pod. With `some`, a run in which nothing is checked is an error.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    skip_reason: str = "left out with `--skip`"
    suppress: tuple[Suppression, ...] = ()
    fail_on: FailOn = "error"
    check_images: bool = False
    external: bool = True
    nodes: NodeChecks | None = None
    some: bool = False
    notes: tuple[str, ...] = field(default=())


def choice_of(
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    suppress: Sequence[Suppression] = (),
    fail_on: FailOn = "error",
    check_images: bool = False,
    external: bool = True,
    programs: Sequence[str] = (),
    some: bool = False,
) -> Choice:
    """The choice, with every pattern known to mean something, or to be a name that only `programs` know.

    Raises `UsageError`, with `some` also where nothing would be checked.
    """
    ours = checks.all_of_them()
    for pattern in (*only, *skip):
        if pattern not in {EXTERNAL, "all"} and not any(matches(pattern, check.id, check.category) for check in ours):
            _unknown(pattern, programs)
    for one in suppress:
        if not any(fnmatchcase(check.id.lower(), one.check.lower()) for check in ours):
            _unknown(one.check, programs)
    found = Choice(
        only=tuple(only),
        skip=tuple(skip),
        suppress=tuple(suppress),
        fail_on=fail_on,
        check_images=check_images,
        external=external,
        some=some,
    )
    if some and not programs and not asked(found):
        raise nothing_left()
    return found


def asked(choice: Choice) -> list[Check]:
    """Our checks that run."""
    return [check for check in chosen(choice) if not skips(choice, check.id, check.category)]


def nothing_left() -> UsageError:
    """The error for a choice of no check at all."""
    return UsageError(
        "`--only` and `--skip` leave nothing to check", hint="`ciliumctl preflight --list` with both shows what is left"
    )


def _unknown(pattern: str, programs: Sequence[str]) -> None:
    """Raise for a name that none of our checks has, unless it may be one of the programs' own."""
    names = [*(check.id for check in checks.all_of_them()), *checks.CATEGORIES]
    sure = _SURE if programs else _LIKELY
    near = [
        *difflib.get_close_matches(pattern.upper(), names, n=1, cutoff=sure),
        *difflib.get_close_matches(pattern.lower(), names, n=1, cutoff=sure),
    ]
    if programs and not near and not pattern.upper().startswith("CIL-"):
        return
    raise UsageError(
        f"no check is called `{pattern}`",
        hint=f"is it `{near[0]}`? `ciliumctl preflight --list` shows them all"
        if near
        else "`ciliumctl preflight --list` shows them all",
    )


def matches(pattern: str, name: str, category: str) -> bool:
    """Whether a pattern means a check: its id, its category, or a shell pattern of one of them."""
    wanted = pattern.lower()
    return wanted == "all" or fnmatchcase(name.lower(), wanted) or fnmatchcase(category.lower(), wanted)


def wants(choice: Choice, name: str, category: str) -> bool:
    """Whether a check is among those that shall run, before what is skipped by name."""
    return not choice.only or any(matches(pattern, name, category) for pattern in choice.only)


def skips(choice: Choice, name: str, category: str) -> bool:
    """Whether a check is skipped by name."""
    return any(matches(pattern, name, category) for pattern in choice.skip)


def chosen(choice: Choice) -> list[Check]:
    """Our checks that are told of: those that run, and those that are skipped by name."""
    return [check for check in checks.all_of_them() if wants(choice, check.id, check.category)]


def without(verdict: Verdict, check: str, suppress: Sequence[Suppression]) -> tuple[Verdict, tuple[Finding, ...]]:
    """A verdict without the findings that nobody wants to hear of, and those findings."""
    gone = tuple(finding for finding in verdict.findings if any(one.covers(check, finding) for one in suppress))
    if not gone:
        return verdict, ()
    left = [finding for finding in verdict.findings if finding not in gone]
    if not left:
        text = f"{len(gone)} suppressed, nothing else"
        return passed(text, *verdict.evidence), gone
    message = f"{verdict.message} ({len(gone)} suppressed)"
    again = judged(left, good="", bad=message, hint=verdict.hint, evidence=verdict.evidence)
    return replace(again, message=message), gone


def _same_object(pattern: str, name: str) -> bool:
    """`Kind/namespace/name` with wildcards; of two parts the namespace does not matter, and `*` is everything."""
    if pattern == "*":
        return True
    wanted, parts = pattern.split("/"), name.split("/")
    if len(parts) == 2:
        parts = [parts[0], "", parts[1]]
    if len(wanted) == 2:
        wanted = [wanted[0], "*", wanted[1]]
    if len(wanted) != 3 or len(parts) != 3:
        return pattern == name
    return fnmatchcase(parts[0].lower(), wanted[0].lower()) and all(
        fnmatchcase(part, want) for part, want in zip(parts[1:], wanted[1:], strict=True)
    )


def suppressions(given: Iterable[str]) -> tuple[Suppression, ...]:
    """Those of `--suppress ID=kind/namespace/name`. Raises `UsageError`."""
    found = []
    for text in given:
        check, equals, name = text.partition("=")
        if not (check and equals and name):
            raise UsageError(
                f"`--suppress {text}` names no finding",
                hint="write `--suppress CIL-NODE-001=Node/worker-3`; kind, namespace and name may have wildcards",
            )
        found.append(Suppression(check=check, object=name))
    return tuple(found)


def from_baseline(path: Path, today: date) -> tuple[tuple[Suppression, ...], tuple[str, ...]]:
    """What a baseline file suppresses today, and a sentence for each of its entries that ran out.

    Raises `BadFile` where it is no baseline: each entry needs `check`, `reason` and `until`.
    """
    try:
        content = yaml_files.load(path)
    except yaml.YAMLError as error:
        raise BadFile(f"`{path}` is no YAML", hint=_FORM) from error
    entries = content.get("findings") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise BadFile(f"`{path}` is not a baseline: it has no list `findings`", hint=_FORM)
    found, expired = [], []
    for number, entry in enumerate(entries, 1):
        one = _entry(path, number, entry)
        if one.until is not None and one.until < today:
            expired.append(f"`{path.name}`: {one.check} for {one.object} ran out on {one.until} ({one.why})")
        else:
            found.append(one)
    return tuple(found), tuple(expired)


_FORM = "write `findings: [{check: CIL-NODE-001, object: Node/worker-3, reason: why, until: 2027-01-31}]`"


def _entry(path: Path, number: int, entry: Any) -> Suppression:
    if not isinstance(entry, dict):
        raise BadFile(f"`{path}`: entry {number} of `findings` is not a mapping", hint=_FORM)
    for key in ("check", "reason", "until"):
        if not str(entry.get(key) or "").strip():
            raise BadFile(f"`{path}`: entry {number} of `findings` has no `{key}`", hint=_FORM)
    try:
        until = date.fromisoformat(str(entry["until"]))
    except ValueError as error:
        raise BadFile(f"`{path}`: entry {number} of `findings`: `{entry['until']}` is no date", hint=_FORM) from error
    return Suppression(
        check=str(entry["check"]), object=str(entry.get("object") or "*"), why=str(entry["reason"]), until=until
    )
