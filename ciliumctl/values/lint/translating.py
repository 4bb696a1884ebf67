"""Old values in the words of a newer chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ciliumctl.values.lint import ranges, rules
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.lint.model import Translation
from ciliumctl.values.lint.rules import LEGACY_TOPS, MISSING, Effect, Rule
from ciliumctl.values.paths import Path, get, join, put, remove, split

# A translated value may need one more rule: legacy, then what became of its new name, twice.
_ROUNDS = 6
#: Effects after which the old value does nothing good, so that it is always translated.
_NEEDED: frozenset[Effect] = frozenset(["legacy", "ignored", "fails", "type", "changed"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A rule that is about a value, and what it makes of it: None when a person has to decide."""

    rule: Rule
    effect: Effect
    value: Any
    becomes: Mapping[str, Any] | None


def matches(values: Mapping[str, Any], version: str, facts: Facts | None, merged: Mapping[str, Any]) -> Iterator[Match]:
    """The rules about the values that are set, for the chart of a version. `merged` is what all layers set."""
    for rule in (*rules.legacy(), *rules.modern()):
        value = rule.found(values)
        if value is MISSING:
            continue
        effect = _effect(rule, version, facts)
        if effect is None or effect == "works":
            continue
        becomes = _becomes(rule, value, merged)
        if becomes is not None and facts is not None and effect != "legacy":
            # A newer chart may have renamed it once more: then nobody knows.
            known = all(facts.state(split(target)) != "unknown" for target in becomes)
            becomes = becomes if known else None
        yield Match(rule=rule, effect=effect, value=value, becomes=becomes)


def _effect(rule: Rule, version: str, facts: Facts | None) -> Effect | None:
    effect = rule.effect(version)
    if effect is None or facts is None or effect == "works":
        return effect
    if effect == "legacy":
        # A chart to come may have a `global` of its own again.
        taken = rule.key[0] in LEGACY_TOPS and facts.state(rule.key) != "unknown"
        return None if taken else effect
    if effect == "ignored" and not rule.data.get("read"):
        state = facts.state(rule.key)
        guarded = state == "read" and any(rule.key in refusal.keys for refusal in facts.reads.refusals)
        # The chart at hand has the last word: what it has, or reads, it does not ignore.
        return effect if state == "unknown" or guarded or _was_map(rule, facts) else None
    if effect == "fails" and facts.state(rule.key) == "unknown":
        return "ignored"
    return effect


def _was_map(rule: Rule, facts: Facts) -> bool:
    """A key below one that takes anything proves nothing."""
    return facts.state(rule.key) == "free"


def _becomes(rule: Rule, value: Any, merged: Mapping[str, Any]) -> Mapping[str, Any] | None:
    becomes = rule.becomes(value)
    if becomes is not None or not rule.data.get("guess"):
        return becomes
    met = all(get(merged, split(key)) == wanted for key, wanted in rule.data.get("unless", {}).items())
    # What it asked for is the case already, or it asked for nothing: it can go.
    return {} if (met and "unless" in rule.data) or not rule.lost(value) else None


def translate(
    values: Mapping[str, Any],
    target_version: str,
    *,
    facts: Facts | None = None,
    deprecated: bool = False,
) -> Translation:
    """Values, such as those that a release has stored, in the words of the target's chart.

    What the user has in today's words wins over what is translated. Unknown keys stay. `deprecated` also translates
    what still works; `facts` are those of the target's chart, where it is at hand.
    """
    rest = _deep(values)
    log = _Log()
    for _round in range(_ROUNDS):
        todo = [
            match
            for match in matches(rest, target_version, facts, rest)
            if match.effect in _NEEDED or (deprecated and match.effect == "deprecated")
        ]
        if not _once(rest, todo, log):
            break
    for path in legacy_leftovers(rest, target_version, facts):
        log.lost.append((join(path), "no chart of today knows it"))
        remove(rest, path)
    for top in LEGACY_TOPS:
        if rest.get(top) == {}:
            del rest[top]
    notes = tuple(dict.fromkeys(log.notes))
    return Translation(values=rest, moved=tuple(log.moved), lost=tuple(log.lost), notes=notes)


def legacy_leftovers(values: Mapping[str, Any], version: str, facts: Facts | None) -> list[Path]:
    """Values of the umbrella charts that no rule knows, and no chart of today."""
    if ranges.older(version, "1.9"):
        return []
    paths = [path for path, rule in rules.legacy_keys(values) if rule is None]
    return [path for path in paths if facts is None or facts.state(path) == "unknown"]


@dataclass(slots=True)
class _Log:
    """What a translation did."""

    moved: list[tuple[str, str]] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _once(values: dict[str, Any], todo: Sequence[Match], log: _Log) -> bool:
    """Translate once what can be; returns whether anything was."""
    added: dict[str, Any] = {}
    done = False
    for match in todo:
        # A rule for all below a key may have been first.
        gone = get(values, match.rule.key, MISSING) is MISSING
        if gone or (match.becomes is None and match.effect in {"changed", "fails", "type", "deprecated"}):
            continue
        done = True
        remove(values, match.rule.key)
        _write(match, added, log)
        if "note" in match.rule.data:
            log.notes.append(f"{join(match.rule.key)}: {match.rule.data['note']}")
    _lay_under(values, added)
    return done


def _write(match: Match, added: dict[str, Any], log: _Log) -> None:
    key = join(match.rule.key)
    data = match.rule.data
    if not match.becomes:
        why = data.get("gone") or match.rule.lost(match.value) or data.get("message") or "the chart ignores it"
        log.lost.append((key, str(why)))
        return
    for target, new in match.becomes.items():
        added[target] = new
        log.moved.append((key, target))


def _lay_under(values: dict[str, Any], added: Mapping[str, Any]) -> None:
    """Write what is not there yet."""
    for target, new in added.items():
        path = split(target)
        if get(values, path, MISSING) is MISSING and not _blocked(values, path):
            put(values, path, new)


def _blocked(values: Mapping[str, Any], path: Path) -> bool:
    """Whether something else than a map is in the way."""
    return any(
        not isinstance(get(values, path[:depth], {}), Mapping) and get(values, path[:depth], {}) is not None
        for depth in range(1, len(path))
    )


def _deep(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _deep(value) if isinstance(value, Mapping) else list(value) if isinstance(value, list) else value
        for key, value in values.items()
    }
