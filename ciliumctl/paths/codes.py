"""The codes of what can be wrong with a hop: data in `templates/paths/codes.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ciliumctl import templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a code means. `title` is a claim, `remedy` the hint where a finding has none of its own."""

    id: str
    title: str
    why: str
    remedy: str


@cache
def all_codes() -> dict[str, Code]:
    """Every code, by its id."""
    return {name: Code(id=name, **data) for name, data in templates.load("paths/codes.yaml").items()}
