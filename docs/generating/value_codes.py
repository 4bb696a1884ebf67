"""`values-lint.md`: what `values lint` finds, and the rules that it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ciliumctl import templates
from ciliumctl.values.lint import CODES, rules
from ciliumctl.values.lint.rules import Rule
from ciliumctl.values.paths import join
from docs.generating.text import NOTICE, codes, prose, table

_INTRODUCTION = """\
# Findings about values

What [`ciliumctl values lint`](../how-to/check-values.md) finds. A code never changes its meaning, so scripts and SARIF
readers can go by it.

What the chart at hand says comes first: its values.yaml, its schema, and what its templates read. The rules below say
what became of values that it does not have; a rule that calls a value ignored does not count where the chart has it.

"""
_MORE: dict[str, str] = {
    "CV003": "Helm takes the last of the two.",
    "CV005": "Helm 4 reads all of them, so the same file means different things.",
    "CV101": "The nearest known name is suggested. A name that only a template reads is known, and so is all below a "
    "map that takes anything.",
    "CV102": 'A text such as `"2"` for a whole number can be translated, `two` cannot.',
    "CV103": "The message is the chart's; the finding stands at the value that it is about.",
    "CV105": "A severity of its own: it is no error before there is a cluster.",
    "CV201": "An error when it has consequences. `install` refuses it then.",
    "CV301": "`install` refuses it. `--translate-values` translates it on the way.",
    "CV401": "Only with `--from`.",
    "CV402": "Only with `--from`, and only with the chart to come from at hand; images are left out.",
    "CV403": "Only with `--from`.",
}


def page() -> str:
    """The codes, then the rules."""
    text = NOTICE + _INTRODUCTION
    text += codes(CODES, _MORE)
    text += "## Rules about values\n\n"
    text += "Ranges are of chart versions; a minor stands for all of its patches.\n\n"
    text += table(("value", "what charts do", "instead", "known from"), _rows(rules.modern()))
    text += "## Values of the umbrella charts\n\nCharts since 1.9 ignore all of these.\n\n"
    text += table(("old value", "today"), ((f"`{join(rule.key)}`", _instead(rule)) for rule in rules.legacy()))
    text += "## Changed defaults\n\n"
    text += table(("value", "since", "what it means"), _defaults())
    return text.rstrip() + "\n"


def _rows(found: tuple[Rule, ...]) -> Iterator[tuple[str, str, str, str]]:
    for rule in found:
        only = rule.data.get("only")
        what = f": {', '.join(f'`{_word(word)}`' for word in only)}" if isinstance(only, list) else ""
        charts = "; ".join(f"{wanted}: {effect}" for wanted, effect in rule.effects)
        yield f"`{join(rule.key)}`{what}", charts.replace("<", "&lt;"), _instead(rule), rule.data["source"]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _instead(rule: Rule) -> str:
    data = rule.data
    if "cases" in data:
        pairs = [f"`{key}: {_word(value)}`" for case in data["cases"].values() for key, value in case.items()]
        return ", ".join(dict.fromkeys(pairs))
    targets = [*data.get("text", ()), *([data["to"]] if "to" in data else []), *data.get("copy", ())]
    targets += data.get("also", ())
    if targets:
        return ", ".join(f"`{target}`" for target in targets)
    return prose(str(data.get("gone") or data.get("message") or ""))


def _defaults() -> Iterator[tuple[str, str, str]]:
    for rule in templates.load("values/rules/defaults.yaml"):
        yield f"`{rule['key']}`" if rule["key"] else "", rule["since"], prose(rule["message"])
