"""Old values in the words of a newer chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl.values.lint import rules
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
    for rule in (*rules.legacy(), *rules.keys()):
        value = rule.found(values)
        if value is MISSING:
            continue
        effect = _effect(rule, version, facts)
        if effect is None:
            continue
        becomes = _becomes(rule, value, merged)
        if becomes is not None and facts is not None and effect != "legacy":
            # A newer chart may have renamed it once more: then nobody knows.
            known = all(facts.state(split(target)) != "unknown" for target in becomes)
            becomes = becomes if known else None
        yield Match(rule=rule, effect=effect, value=value, becomes=becomes)


def _effect(rule: Rule, version: str, facts: Facts | None) -> Effect | None:
    effect = rule.effect(version)
    if effect is None or facts is None or effect == "legacy":
        return effect
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
    moved: list[tuple[str, str]] = []
    lost: list[tuple[str, str]] = []
    notes: list[str] = []
    for _round in range(_ROUNDS):
        todo = [
            match
            for match in matches(rest, target_version, facts, rest)
            if match.effect in _NEEDED or (deprecated and match.effect == "deprecated")
        ]
        if not todo:
            break
        added: dict[str, Any] = {}
        for match in todo:
            # A rule for all below a key may have been first.
            if get(rest, match.rule.key, MISSING) is MISSING:
                continue
            if match.becomes is None and match.effect in {"changed", "fails", "type"}:
                continue
            remove(rest, match.rule.key)
            _write(match, added, moved, lost)
            if "note" in match.rule.data:
                notes.append(f"{join(match.rule.key)}: {match.rule.data['note']}")
        if not _lay_under(rest, added) and not any(get(rest, m.rule.key, MISSING) is MISSING for m in todo):
            break
    for path, _rule in list(rules.legacy_keys(rest)):
        lost.append((join(path), "no chart of today knows it"))
        remove(rest, path)
    for top in LEGACY_TOPS:
        if rest.get(top) == {}:
            del rest[top]
    return Translation(values=rest, moved=tuple(moved), lost=tuple(lost), notes=tuple(dict.fromkeys(notes)))


def _write(match: Match, added: dict[str, Any], moved: list[tuple[str, str]], lost: list[tuple[str, str]]) -> None:
    key = join(match.rule.key)
    data = match.rule.data
    if not match.becomes:
        why = data.get("gone") or match.rule.lost(match.value) or data.get("message") or "the chart ignores it"
        lost.append((key, str(why)))
        return
    for target, new in match.becomes.items():
        added[target] = new
        moved.append((key, target))


def _lay_under(values: dict[str, Any], added: Mapping[str, Any]) -> bool:
    """Write what is not there yet; returns whether anything was."""
    done = False
    for target, new in added.items():
        path = split(target)
        if get(values, path, MISSING) is MISSING and not _blocked(values, path):
            put(values, path, new)
            done = True
    return done


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
