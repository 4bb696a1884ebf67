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


def suites(result: Connectivity) -> list[Suite]:
    """The suites of a run."""
    properties = {
        "context": result.context,
        "nodes": ", ".join(result.nodes),
        "families": ", ".join(f"IPv{family}" for family in result.families),
        "profile": result.profile,
    }
    categories = list(dict.fromkeys(scenario.category for scenario in result.scenarios))
    return [
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


def failed_in(path: Path) -> frozenset[str]:
    """The scenarios that failed in an earlier run, out of what `-o json` or `--report json=FILE` wrote.

    Raises:
        BadFile: it is not such a file.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror}", hint="check `--rerun-failed`") from error
    except ValueError as error:
        raise BadFile(f"`{path}` is no JSON: {error}", hint="name what `--report json=FILE` wrote") from error
    data = content.get("data") if isinstance(content, Mapping) and content.get("kind") == Connectivity.kind else None
    scenarios = data.get("scenarios") if isinstance(data, Mapping) else None
    if not isinstance(scenarios, list):
        raise BadFile(f"`{path}` is not the result of a connectivity test", hint="name what `--report json=FILE` wrote")
    return frozenset(
        str(one["name"])
        for one in scenarios
        if isinstance(one, Mapping) and one.get("outcome") in {"failed", "error"} and "name" in one
    )
