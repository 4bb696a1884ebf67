"""Defaults for options from files: `.ciliumctl.yaml` of the project, then the user's own.

The keys are the options' long names; those of a command stand under its name:

    namespace: cilium
    install:
      wait: true
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ciliumctl import defaults
from ciliumctl.cli.loading import folder_of
from ciliumctl.discover import summaries

PROJECT_FILE = ".ciliumctl.yaml"
# What an option is called on the command line, and in Python.
_RENAMED = {"as": "as_user"}


def project_file(start: Path | None = None) -> Path | None:
    """The nearest project file, from the current folder up to the top of the repository; outside one, only here.

    A file in `/tmp`, which anybody can write, is no project's.
    """
    folder = (start or Path.cwd()).resolve()
    ladder = [folder, *folder.parents]
    top = next((place for place in ladder if (place / ".git").exists()), folder)
    for candidate in ladder[: ladder.index(top) + 1]:
        path = candidate / PROJECT_FILE
        if path.is_file():
            return path
    return None


def sources(environ: Mapping[str, str]) -> list[Path]:
    """The files that exist, strongest first; `CILIUMCTL_CONFIG` stands in for the user's own."""
    named = environ.get("CILIUMCTL_CONFIG")
    user = Path(named) if named else defaults.config_file()
    return [path for path in (project_file(), user) if path is not None and path.is_file()]


def default_map(environ: Mapping[str, str]) -> dict[str, Any]:
    """The options' defaults, merged."""
    merged: dict[str, Any] = {}
    for path in reversed(sources(environ)):
        found = read(path)
        if path.name == PROJECT_FILE:
            _check_harmless(found, path)
        _check_sections(found, folder_of("ciliumctl.cli.commands")[1], path)
        _merge(merged, found)
    return merged


def _check_harmless(found: Mapping[str, Any], path: Path) -> None:
    """A project's file comes with a clone: it must not run programs, nor answer questions. Raises `BadFile`."""
    from ciliumctl.errors import BadFile

    for name in ("helm", "kubeconfig", "yes"):
        if name in found:
            raise BadFile(
                f"`{path}` sets `{name}`, which a project's file may not: a clone would decide what runs here",
                hint=f"move it to `{defaults.config_file()}`, or use the option",
            )


def _check_sections(found: dict[str, Any], folder: Path, path: Path) -> None:
    """What stands under a command's name are its options; nothing there is no mistake. Raises `BadFile`."""
    from ciliumctl.errors import BadFile

    for name, _summary in summaries(folder):
        command = name.replace("_", "-")
        if found.get(name, {}) is None or found.get(command, {}) is None:
            found.pop(name, None)
            found.pop(command, None)
        section = found.get(command, found.get(name, {}))
        if not isinstance(section, dict):
            raise BadFile(
                f"`{path}` sets `{command}`, which is a command, to `{section}`",
                hint=f"write its options below `{command}:`, indented, one `option: value` a line",
            )
        if (folder / name).is_dir():
            _check_sections(section, folder / name, path)


def read(path: Path) -> dict[str, Any]:
    """One file's defaults by the options' Python names. Raises `BadFile`."""
    from ciliumctl import yaml_files
    from ciliumctl.errors import BadFile

    content = yaml_files.load(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadFile(f"`{path}` is not a file of defaults", hint="write `option: value` lines")
    return _normal(content)


def _normal(content: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        # YAML reads a bare `yes` or `no` as a truth value, in keys too; only `yes` is an option.
        text = "yes" if key is True else str(key)
        # Commands keep their dashes, options do not.
        name = text if isinstance(value, dict) else _RENAMED.get(text, text.replace("-", "_"))
        found[name] = _normal(value) if isinstance(value, dict) else value
    return found


def _merge(target: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
