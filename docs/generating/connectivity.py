"""`connectivity-tests.md`: every scenario, and what stands for each test of the official CLI."""

from __future__ import annotations

from ciliumctl import templates
from ciliumctl.connectivity.scenarios import all_of_them
from docs.generating.text import NOTICE, prose, table


def official() -> dict[str, str]:
    """What stands for each of the official CLI's tests, as text: scenarios of ours, or why there is none."""
    found: dict[str, list[str]] = {}
    for scenario in all_of_them():
        for name in scenario.official:
            found.setdefault(name, []).append(f"`{scenario.name}`")
    texts = {name: ", ".join(scenarios) for name, scenarios in found.items()}
    for group in templates.load("connectivity/official.yaml"):
        for name in group["tests"]:
            if name in texts:
                raise ValueError(f"{name} is named twice")
            texts[name] = f"none: {group['reason']}"
    return dict(sorted(texts.items()))


def page() -> str:
    """Two tables: ours, and theirs."""
    text = f"{NOTICE}# Connectivity tests\n\n"
    text += "What `ciliumctl connectivity test` runs. `smoke` tests are in both profiles. "
    text += "`ciliumctl connectivity list --here` says what a cluster would skip, and why.\n\n"
    rows = [
        (f"`{one.name}`", "smoke" if one.smoke else "full", one.category, prose(one.about)) for one in all_of_them()
    ]
    text += table(("test", "profile", "category", "what it shows"), rows)
    names = official()
    ours = sum(not said.startswith("none: ") for said in names.values())
    text += "## The official CLI's tests\n\n"
    text += f"Of the {len(names)} tests of the official CLI (v0.19.7), {ours} have a test here that shows the same.\n\n"
    return (
        text
        + table(("official test", "here"), ((f"`{name}`", prose(said)) for name, said in names.items())).rstrip()
        + "\n"
    )
