"""Values for a purpose or a kind of cluster: one YAML file each in `templates/values/`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ciliumctl import templates
from ciliumctl.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Values with a name. `needs` says what must be done or given besides."""

    kind: ClassVar[str] = "Preset"

    name: str
    description: str
    values: Mapping[str, Any]
    needs: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """All presets."""

    kind: ClassVar[str] = "PresetList"

    presets: tuple[Preset, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return [preset.name for preset in self.presets]


def names() -> list[str]:
    """Every preset's name."""
    return templates.names("values")


def load(name: str) -> Preset:
    """One preset. Raises `UsageError` for an unknown name, with the nearest known one."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"choose one of {', '.join(names())}"
        raise UsageError(f"there is no preset `{name}`", hint=hint)
    content = templates.load(f"values/{name}.yaml")
    return Preset(
        name=name,
        description=content["description"],
        values=content.get("values") or {},
        needs=tuple(content.get("needs") or ()),
    )


def listed() -> Presets:
    """All of them, by name."""
    return Presets(presets=tuple(load(name) for name in names()))
