"""What one value is: the chart's own words, its type and default, since when, and what changes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from ciliumctl import yaml_files
from ciliumctl.charts import Chart
from ciliumctl.clients.helm import Helm
from ciliumctl.errors import UsageError
from ciliumctl.values.effects import MISSING, Effect, Impact, effect_of
from ciliumctl.values.lint import rules, since, types
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.paths import Path, join, leaves, split


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A value below the one that is explained."""

    key: str
    type: str
    default: Any
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is known of one value.

    `since` and `before` are the first chart that has it and the last one without, of those that were looked at.
    `source` says where it is known from: `own` (values.yaml), `read` (a template alone) or `free` (below a free map).
    """

    kind: ClassVar[str] = "ValueExplanation"

    key: str
    version: str
    source: str
    about: str
    type: str
    default: Any
    since: str
    before: str
    notes: tuple[str, ...]
    below: tuple[Below, ...] = ()
    effect: Effect | None = None

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


def explain(
    key: str,
    chart: Chart,
    *,
    helm: Helm | None,
    kube_version: str,
    value: Any = MISSING,
    impact: Impact | None = None,
) -> Explained:
    """What is known of a value. With `helm` the chart is rendered with its default and with another value.

    `value` is what to try instead of the default; one is made up for what has no obvious other. `impact` may say what
    such a change does to a running network.

    Raises:
        UsageError: the chart has no such value; the hint names those that look like it.
    """
    facts = Facts(chart)
    path = split(key)
    state = facts.state(path)
    told = tuple(_told(path, chart.version))
    if state == "unknown" and not told:
        near = facts.names(key)
        listed = ", ".join(f"`{name}`" for name in near)
        raise UsageError(
            f"chart {chart.version} has no value `{key}`",
            hint=f"it has {listed}" if near else "`ciliumctl values show --all --offline` lists all",
        )
    comments = _comments(chart)
    span = since.of(key)
    default = facts.default(path)
    below = tuple(_below(path, default, facts, comments))
    effect = None
    if helm is not None and state != "unknown" and not below:
        effect = effect_of(path, facts, helm, kube_version, value, impact)
    return Explained(
        key=key,
        version=chart.version,
        source=state,
        about=comments.get(path, ""),
        type=_type(path, default, facts),
        default=default,
        since=span.first if span else "",
        before=span.before if span else "",
        notes=told,
        below=below,
        effect=effect,
    )


def _told(path: Path, version: str) -> Iterator[str]:
    """What the rules know of a value."""
    words = {
        "legacy": "charts since 1.9 ignore it",
        "ignored": f"chart {version} ignores it",
        "fails": f"chart {version} refuses it",
        "type": "its type has changed",
        "changed": "its meaning has changed",
        "deprecated": "deprecated",
        "works": "it works as ever",
    }
    for rule in (*rules.legacy(), *rules.modern()):
        effect = rule.effect(version)
        if rule.key != path or effect is None:
            continue
        only = rule.data.get("only")
        which = f" with {', '.join(_word(word) for word in only)}" if isinstance(only, list) else ""
        yield f"{words[effect]}{which}{_instead(rule)}"


def _instead(rule: rules.Rule) -> str:
    """What is written today in place of an old value, as the end of a sentence."""
    cases = rule.data.get("cases", {})
    said = [f"{_pairs(new)}{f' for {_word(old)}' if len(cases) > 1 else ''}" for old, new in cases.items()]
    target = rule.data.get("to") or ", ".join(rule.data.get("text", {}))
    if target:
        said.append(f"`{target}`")
    if said:
        return f"; now {', '.join(said)}"
    return f"; {rule.data['gone']}" if "gone" in rule.data else ""


def _pairs(values: Mapping[str, Any]) -> str:
    pairs = (f"`{key}: {value if isinstance(value, str) else json.dumps(value)}`" for key, value in values.items())
    return " and ".join(pairs) or "nothing"


def _word(value: Any) -> str:
    if value == "":
        return "an empty text"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(path: Path, default: Any, facts: Facts) -> str:
    node = types.below(facts.schema, path) if facts.schema else None
    allowed = node.get("type") if node else None
    if isinstance(allowed, str):
        return allowed
    if isinstance(allowed, list):
        return " or ".join(allowed)
    return types.kind_of(default) if default is not None else ""


def _below(path: Path, default: Any, facts: Facts, comments: Mapping[Path, str]) -> Iterator[Below]:
    if not isinstance(default, Mapping):
        return
    for rest, value in leaves(default):
        here = (*path, *rest)
        about = comments.get(here, "").partition(". ")[0]
        yield Below(key=join(here), type=_type(here, value, facts), default=value, about=about)


# The chart's own words


def _comments(chart: Chart) -> dict[Path, str]:
    """What values.yaml says above each of its keys."""
    text = chart.files.get("values.yaml", b"").decode("utf-8", "replace")
    lines = text.splitlines()
    found: dict[Path, str] = {}

    def walk(node: Any, prefix: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*prefix, str(key.value))
                found[here] = _above(lines, key.start_mark.line)
                walk(value, here)

    walk(yaml.compose(text, Loader=yaml_files.Loader), ())
    return found


def _above(lines: Sequence[str], line: int) -> str:
    """The comment right above a line, as one text: without what is for the schema's generator."""
    block: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        block.insert(0, lines[line].strip().lstrip("#").strip())
    start = next((number for number, text in enumerate(block) if text.startswith("--")), None)
    if start is None:
        return ""
    said: list[str] = []
    skipping = False
    for text in block[start:]:
        if text.startswith("@schema"):
            skipping = not skipping
        elif not skipping and not text.startswith("@"):
            said.append(text.removeprefix("--").strip())
    return " ".join(said).strip()
