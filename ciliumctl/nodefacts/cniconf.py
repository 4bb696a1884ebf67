"""CNI configuration files, held against the CNI specification. Never fails: a bad file is a file with problems.

The rules are those of the specification's section 1 and of its reference library, which container runtimes use: files
are taken in the order of their names, and the first that can be loaded is the network of all pods.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Versions of the specification that were ever released.
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
#: What Cilium appends to the files of others that it takes out of use (`cni.exclusive`).
BACKUP = ".cilium_bak"
CILIUM = "cilium-cni"
#: The endings of the files that runtimes look at.
ENDINGS = (".conf", ".conflist", ".json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CniFile:
    """One file of the folder. `problems` say why a runtime does not take it, or should not."""

    file: str
    network: str = ""
    version: str = ""
    plugins: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def considered(self) -> bool:
        """Whether runtimes look at it, by its name."""
        return self.file.endswith(ENDINGS)

    @property
    def backup(self) -> bool:
        """Whether Cilium took it out of use."""
        return self.file.endswith(BACKUP)

    @property
    def cilium(self) -> bool:
        """Whether Cilium is in its chain."""
        return CILIUM in self.plugins


def parse(file: str, text: str) -> CniFile:
    """What a file says."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return CniFile(file=file, problems=("it is no JSON",))
    if not isinstance(content, dict):
        return CniFile(file=file, problems=("it is no JSON object",))
    listed = file.removesuffix(BACKUP).endswith(".conflist") or isinstance(content.get("plugins"), list)
    plugins, problems = _plugins(content) if listed else _single(content)
    problems = [*_identity(content), *problems]
    if listed and file.removesuffix(BACKUP).endswith((".conf", ".json")):
        problems.append("a list of plugins belongs into a file that ends in `.conflist`")
    return CniFile(
        file=file,
        network=_text(content.get("name")),
        version=_text(content.get("cniVersion")),
        plugins=tuple(plugins),
        problems=tuple(problems),
    )


def active(files: Sequence[CniFile]) -> CniFile | None:
    """The file that runtimes take: the first by name that can be loaded; `None` when none can."""
    usable = [one for one in files if one.considered and one.plugins and not one.problems]
    return min(usable, key=lambda one: one.file, default=None)


def missing_plugins(one: CniFile, programs: Sequence[str]) -> tuple[str, ...]:
    """The plugins of a chain whose programs are not there."""
    return tuple(plugin for plugin in dict.fromkeys(one.plugins) if plugin not in programs)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _identity(content: Mapping[str, Any]) -> list[str]:
    problems = []
    name, version = content.get("name"), content.get("cniVersion")
    if not isinstance(name, str) or not name:
        problems.append("it has no `name`")
    elif not NAME.fullmatch(name):
        problems.append(f"`name` is `{name[:40]}`: letters, digits, `_`, `.` and `-` are allowed")
    if version is not None and not isinstance(version, str):
        problems.append("`cniVersion` is no text")
    elif version and version not in VERSIONS:
        problems.append(f"`cniVersion` is `{version[:20]}`, which was never released")
    return problems


def _plugins(content: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    chain = content.get("plugins")
    if not isinstance(chain, list) or not chain:
        return [], ["`plugins` is no list with at least one plugin"]
    found: list[str] = []
    problems: list[str] = []
    for number, plugin in enumerate(chain, start=1):
        kind = plugin.get("type") if isinstance(plugin, dict) else None
        bad = _bad_type(kind)
        if bad:
            problems.append(f"plugin {number}: {bad}")
        else:
            found.append(str(kind))
    return found, problems


def _single(content: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    bad = _bad_type(content.get("type"))
    return ([], [bad]) if bad else ([str(content["type"])], [])


def _bad_type(kind: Any) -> str:
    if not isinstance(kind, str) or not kind:
        return "it has no `type`"
    return f"`type` is `{kind[:40]}`, which is no program's name" if "/" in kind else ""
