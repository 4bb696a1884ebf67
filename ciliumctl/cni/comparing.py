"""CNIs beside each other, and the technologies that they are made of: data, as the documentation has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar

from ciliumctl import templates
from ciliumctl.cni.technologies import Technology, known
from ciliumctl.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One aspect. `of` says it for each CNI by name."""

    name: str
    of: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CniComparison:
    """CNIs aspect by aspect, and every technology with who uses it."""

    kind: ClassVar[str] = "CniComparison"

    names: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    technologies: tuple[Technology, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


def compare(wanted: Sequence[str] = ()) -> CniComparison:
    """The CNIs of `wanted`, or all of them. Raises `UsageError` for one that nothing is known of."""
    data = templates.load("cni/compare.yaml")
    by_word = {_word(name): name for name in data["names"]}
    chosen = [_one(text, by_word) for text in wanted] or data["names"]
    names = tuple(dict.fromkeys(chosen))
    return CniComparison(
        names=names,
        aspects=tuple(
            Aspect(name=entry["name"], of={name: entry[name] for name in names}) for entry in data["aspects"]
        ),
        technologies=known(),
    )


def _one(text: str, by_word: Mapping[str, str]) -> str:
    word = _word(text)
    if word in by_word:
        return by_word[word]
    near = get_close_matches(word, by_word, n=1) or [next((known for known in by_word if known.startswith(word)), "")]
    hint = f"did you mean `{by_word[near[0]]}`?" if near[0] else f"it is one of {', '.join(by_word.values())}"
    raise UsageError(f"nothing is known of a CNI `{text}`", hint=hint)


def _word(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "")
