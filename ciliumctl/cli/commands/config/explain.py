"""Show each option's value and where it comes from: flag, environment, project file, user file or default.

Examples:
  ciliumctl config explain
  ciliumctl config explain install
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer
from typer._click import Command, Context

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument
from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option. `origin` names the flag, the variable or the file that set it."""

    option: str
    value: Any
    origin: str
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a command, or the global ones."""

    kind: ClassVar[str] = "Settings"

    files: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


KIND = "Settings"


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, argument(metavar="[COMMAND]...", help="A command; without one, the global options")
    ] = None,
) -> None:
    """Explain."""
    from ciliumctl.cli import config_files

    session = session_of(ctx)
    session.allow()
    layers = [(str(path), config_files.read(path)) for path in config_files.sources(session.environ)]
    target, variable_prefix = _find(ctx, words or [])
    narrowed = [(name, _below(content, words or [])) for name, content in layers]
    settings = tuple(_settings(ctx, target, variable_prefix, narrowed, top=not words))
    session.finish(Settings(files=tuple(name for name, _content in layers), settings=settings), render)


def _find(ctx: Context, words: list[str]) -> tuple[Command, str]:
    found: Any = ctx.find_root().command
    for word in words:
        found = found.get_command(ctx, word) if hasattr(found, "get_command") else None
        if found is None:
            raise UsageError(f"there is no command `{' '.join(words)}`", hint="`ciliumctl --help` lists them")
    prefix = "_".join(["CILIUMCTL", *words]).upper().replace("-", "_")
    return found, prefix


def _below(content: Mapping[str, Any], words: list[str]) -> Mapping[str, Any]:
    for word in words:
        below = content.get(word)
        content = below if isinstance(below, Mapping) else {}
    return content


def _settings(
    ctx: Context, target: Command, prefix: str, layers: list[tuple[str, Mapping[str, Any]]], *, top: bool
) -> Iterator[Setting]:
    given = ctx.meta.get("ciliumctl.global", {})
    for param in target.params:
        if param.param_type_name != "option" or not param.name:
            continue
        names = [param.envvar] if isinstance(param.envvar, str) else list(param.envvar or [])
        variables = names or [f"{prefix}_{param.name.upper()}"]
        variable = next((name for name in variables if os.environ.get(name)), "")
        file = next(((name, content[param.name]) for name, content in layers if param.name in content), None)
        rank, value = given.get(param.name, (0, None)) if top else (0, None)
        if rank == 3:
            origin = "flag"
        elif variable:
            value, origin = os.environ[variable], f"environment variable {variable}"
        elif file is not None:
            origin, value = file
        else:
            value, origin = param.get_default(ctx), "default"
        yield Setting(option=max(param.opts, key=len), value=value, origin=origin, variable=variables[0])


def render(out: Writer, result: Settings) -> None:
    """One line an option."""
    rows = [
        (setting.option, "" if setting.value is None else str(setting.value), setting.origin, setting.variable)
        for setting in result.settings
    ]
    out.table(("option", "value", "from", "variable"), rows)
    out.line()
    out.line("files: ", ", ".join(result.files) or "none (.ciliumctl.yaml, or the user's own config.yaml)")
