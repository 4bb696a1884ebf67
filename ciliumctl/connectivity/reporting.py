"""A run's result as test suites, one for each category; and which tests of an earlier run to run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ciliumctl.connectivity.result import Connectivity, Tested
from ciliumctl.errors import BadFile, CiliumctlError
from ciliumctl.reports import Case, Suite

TITLE = "ciliumctl connectivity test"
NOTHING_TESTED = "nothing was tested: every scenario was skipped"


def suites(result: Connectivity) -> list[Suite]:
    """The suites of a run."""
    properties = {
        "context": result.context,
        "nodes": ", ".join(result.nodes),
        "families": ", ".join(f"IPv{family}" for family in result.families),
        "profile": result.profile,
    }
    categories = list(dict.fromkeys(scenario.category for scenario in result.scenarios))
    untested = all(scenario.outcome == "skipped" for scenario in result.scenarios) and not result.repeated
    case = Case(name="run", about="something is tested", outcome="error", message=NOTHING_TESTED)
    empty = [Suite(name="run", cases=(case,), properties=properties)] if untested else []
    return empty + [
        Suite(
            name=category,
            cases=tuple(_case(scenario) for scenario in result.scenarios if scenario.category == category),
            properties=properties,
        )
        for category in categories
    ]


def _case(tested: Tested) -> Case:
    details = []
    for probe in tested.failures:
        where = probe.target + (f" on {probe.target_node}" if probe.target_node else "")
        details.append(f"{probe.name}: from {probe.source} on {probe.source_node} to {where}")
        details += [f"  expected {probe.expected}, seen: {probe.seen}", f"  {probe.paste}"]
    message = tested.reason
    if not message and tested.bad:
        message = f"{len(tested.failures)} of {len(tested.probes)} probes failed"
    if tested.outcome == "flaky":
        message = f"passed at attempt {tested.attempts}"
    return Case(
        name=tested.name,
        about=tested.about,
        outcome=tested.outcome,
        seconds=tested.seconds,
        message=message,
        details=(*details, *tested.evidence),
    )


def not_begun(error: CiliumctlError) -> list[Suite]:
    """The suite of a run that could not begin: whoever reads reports must see that."""
    case = Case(
        name="set-up",
        about="the test could not begin",
        outcome="error",
        message=error.message,
        details=tuple(line for line in (error.hint, *error.detail.splitlines()) if line),
    )
    return [Suite(name="set-up", cases=(case,))]


def unfinished(context: str, profile: str, nodes: Sequence[str], sysdump: str) -> Connectivity:
    """What there is to say of a run that could not test anything: where its sysdump is."""
    return Connectivity(
        context=context,
        namespace="",
        nodes=tuple(nodes),
        families=(),
        profile=profile,
        scenarios=(),
        sysdump=sysdump,
    )


def repeated(profile: str) -> Connectivity:
    """What there is to say when nothing is left to repeat of an earlier run; no cluster was asked."""
    return Connectivity(context="", namespace="", nodes=(), families=(), profile=profile, scenarios=(), repeated=True)


def failed_in(path: Path) -> frozenset[str] | None:
    """The scenarios that failed in an earlier run, out of what `-o json` or `--report json=FILE` wrote.

    `None` for a run that tested nothing: there is nothing to repeat, and nothing is known to be good.

    Raises:
        BadFile: it is not such a file.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check `--rerun-failed`") from error
    except ValueError as error:
        raise BadFile(f"`{path}` is no JSON: {error}", hint="name what `--report json=FILE` wrote") from error
    ours = isinstance(content, Mapping) and content.get("kind") == Connectivity.kind
    data = content.get("data") if ours else None
    if ours and data is None and content.get("error"):
        return None
    scenarios = data.get("scenarios") if isinstance(data, Mapping) else None
    if not isinstance(scenarios, list):
        raise BadFile(f"`{path}` is not the result of a connectivity test", hint="name what `--report json=FILE` wrote")
    known = [one for one in scenarios if isinstance(one, Mapping) and "name" in one]
    if all(one.get("outcome") == "skipped" for one in known):
        return None
    return frozenset(str(one["name"]) for one in known if one.get("outcome") in {"failed", "error"})
