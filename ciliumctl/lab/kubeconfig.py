"""Put a lab's context into the user's kubeconfig, and take it out again, as kind does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ciliumctl import files, yaml_files
from ciliumctl.errors import Exists, Missing, NoKubeconfig

_SECTIONS = ("clusters", "users", "contexts")
_BEFORE = "ciliumctl.io/previous-context"


def target(explicit: str, environ: Mapping[str, str]) -> Path:
    """The kubeconfig that a new context goes into: the one named, else the first that kubectl would read."""
    if explicit:
        return Path(explicit).expanduser()
    first = next((part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part.strip()), "")
    return Path(first).expanduser() if first else Path.home() / ".kube" / "config"


def add(path: Path, source: Path, name: str) -> None:
    """Add the only context of `source` to `path` as `name`, and make it the current one.

    The context that was current is remembered in an extension of the new one.
    """
    merged = _load(path)
    lab = yaml_files.load(source)
    before = str(merged.get("current-context") or "")
    check(path, name)
    context: dict[str, Any] = {"cluster": name, "user": name}
    if before == name:
        known = [entry for entry in merged.get("contexts") or [] if entry.get("name") == name]
        before = _previous(known[0], merged) if known else ""
    context["extensions"] = [{"name": _BEFORE, "extension": {"context": before}}]
    for section, value in (
        ("clusters", lab["clusters"][0]["cluster"]),
        ("users", lab["users"][0]["user"]),
        ("contexts", context),
    ):
        entries = [entry for entry in merged.get(section) or [] if entry.get("name") != name]
        merged[section] = [*entries, {"name": name, section[:-1]: value}]
    merged["current-context"] = name
    _save(path, merged)


def check(path: Path, name: str) -> None:
    """Look before a lab is made whether its context can be added.

    Raises:
        Exists: there is something of that name that no lab put there.
        Missing: the file cannot be written.
    """
    merged = _load(path)
    known = {section: _named(merged, section, name) for section in _SECTIONS}
    if any(known.values()) and not _is_ours(known["contexts"]):
        raise Exists(
            f"`{path}` has something else of the name `{name}`",
            hint="give the lab another name with `--name`, or choose another file with `--kubeconfig`",
        )
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(path, "no permission")


def _named(merged: Mapping[str, Any], section: str, name: str) -> list[Mapping[str, Any]]:
    return [entry for entry in merged.get(section) or [] if entry.get("name") == name]


def _is_ours(contexts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a lab put it there: every context of a lab has this extension."""
    extensions = [one for entry in contexts for one in (entry.get("context") or {}).get("extensions") or []]
    return any(extension.get("name") == _BEFORE for extension in extensions)


def _unwritable(path: Path, why: str) -> Missing:
    return Missing(f"`{path}` cannot be written: {why}", hint="choose another file with `--kubeconfig`")


def remove(path: Path, name: str) -> None:
    """Take a context out, and make the one current again that was before it."""
    if not path.is_file():
        return
    merged = _load(path)
    gone = _named(merged, "contexts", name)
    if not _is_ours(gone):
        return
    for section in _SECTIONS:
        merged[section] = [entry for entry in merged.get(section) or [] if entry.get("name") != name]
    if merged.get("current-context") == name:
        merged["current-context"] = _previous(gone[0], merged)
    if not any(merged[section] for section in _SECTIONS):
        path.unlink()
        return
    _save(path, merged)


def _previous(entry: Mapping[str, Any], merged: Mapping[str, Any]) -> str:
    known = {context.get("name") for context in merged.get("contexts") or []}
    for extension in (entry.get("context") or {}).get("extensions") or []:
        if extension.get("name") == _BEFORE:
            before = str((extension.get("extension") or {}).get("context", ""))
            return before if before in known else ""
    return ""


def _load(path: Path) -> dict[str, Any]:
    content = yaml_files.load(path) if path.is_file() else None
    if content is None:
        content = {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(content, dict):
        raise NoKubeconfig(f"`{path}` is not a kubeconfig", hint="name another file with `--kubeconfig`")
    return content


def _save(path: Path, content: Mapping[str, Any]) -> None:
    """Write the whole file or nothing; kubeconfigs hold secrets, so only their owner may read them."""
    try:
        files.write_whole(path, yaml_files.dump(dict(content)), mode=0o600)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
