"""Commands as files: found by name, described by their first line, imported only when called.

A file in `commands/` is a command, a folder a group of them. The module's docstring is the help, its function `command`
the work. So `ciliumctl --help` imports nothing but Typer, and a new command is a new file.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import typer
from typer._click import Command, Context, HelpFormatter, Parameter
from typer._click.exceptions import UsageError
from typer.core import TyperCommand, TyperGroup

from ciliumctl.cli.arguments import USUAL
from ciliumctl.cli.groups import spread
from ciliumctl.cli.settings import global_options
from ciliumctl.discover import summaries

#: The envelope's kind where a command has no result, or none was reached.
NO_KIND = "Error"
#: The order of the help; a command that is in none of them comes last, under "More".
SECTIONS: dict[str, tuple[str, ...]] = {
    "Install and change": (
        "install",
        "plan",
        "diff",
        "apply",
        "upgrade",
        "rollback",
        "recover",
        "uninstall",
        "migrate",
        "values",
    ),
    "Look": ("status", "preflight", "history", "connectivity", "sysdump", "detect", "preset", "version", "config"),
    "See and find out": ("hubble", "demo", "logs", "debug", "capture", "policy", "monitoring", "metrics", "cni"),
    "This machine": ("tools", "lab", "ci", "completion"),
}


def folder_of(package: str) -> tuple[str, Path]:
    """A package's name and folder, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return package, Path(next(iter(spec.submodule_search_locations)))


class _TakesGlobals(Command):
    """Takes the global options after its name, too."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Its own options, then the global ones."""
        return [*super().get_params(ctx), *self._globals]

    @property
    def _globals(self) -> list[Parameter]:
        own = {option for param in self.params for option in (*param.opts, *param.secondary_opts)}
        return [option for option in global_options() if not own.intersection(option.opts)]

    def _format_globals(self, formatter: HelpFormatter) -> None:
        """By name only."""
        names = " ".join("/".join(reversed(option.opts)) for option in self._globals)
        with formatter.section("Global options (see `ciliumctl --help`)"):
            formatter.write_text(names)


class CommandGroup(_TakesGlobals, TyperGroup):
    """A group whose commands are the files of one folder."""

    arguments = USUAL

    def __init__(self, package: tuple[str, Path], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._package, self._folder = package
        self._known = {name.replace("_", "-"): text for name, text in summaries(self._folder)}

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Add the command that may be left out, where none is named."""
        default = self.arguments.default
        if default and args and not {*self._known, *ctx.help_option_names}.intersection(args):
            args = [default, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Context) -> list[str]:
        """Every command's name."""
        return list(self._known)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command, imported now."""
        if cmd_name not in self._known:
            return None
        found, kind = load(self._package, self._folder, cmd_name)
        ctx.meta["ciliumctl.kind"] = kind
        return found

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the first word names; a misspelt one is told with what it looks like."""
        try:
            return super().resolve_command(ctx, args)
        except UsageError as error:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], self._known):
                error.message = f"{error.message} (Possible commands: {', '.join(near)})"
            raise

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands by section, from their files' first lines."""
        left = dict(self._known)
        for title, names in SECTIONS.items():
            rows = [(name, left.pop(name)) for name in names if name in left]
            if rows and self.name in {None, "", "ciliumctl"}:
                with formatter.section(title):
                    formatter.write_dl(rows)
            else:
                left.update(rows)
        if left:
            with formatter.section("Commands" if len(left) == len(self._known) else "More"):
                formatter.write_dl(sorted(left.items()))

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands; the global options by name only."""
        self.format_commands(ctx, formatter)
        self._format_globals(formatter)

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help as it is."""
        _write_help(self.help or "", formatter)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[Any]:
        """The commands that begin so, without importing any."""
        from typer._click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, text in self._known.items() if name.startswith(incomplete)]
        return found + [item for item in Command.shell_complete(self, ctx, incomplete) if item not in found]


class Leaf(_TakesGlobals, TyperCommand):
    """A command: the file of its name."""

    arguments = USUAL

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the words, as the command wants to have them."""
        values = {word for param in self.params for word in getattr(param.type, "words", ())}
        return super().parse_args(ctx, self.arguments.settled(ctx, args, values))

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """The arguments, and what may stand after `--`."""
        return [*super().collect_usage_pieces(ctx), *([f"[-- {self.arguments.rest}]"] if self.arguments.rest else [])]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List its own options; the global ones by name only."""
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.params:
            record = param.get_help_record(ctx)
            if record is not None:
                rows[param.param_type_name].append(record)
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if rows[kind]:
                with formatter.section(title):
                    formatter.write_dl(rows[kind])
        self._format_globals(formatter)

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help as it is."""
        _write_help(self.help or "", formatter)


def _write_help(text: str, formatter: HelpFormatter) -> None:
    formatter.write_paragraph()
    for line in text.strip().splitlines():
        formatter.write(f"  {line}".rstrip() + "\n")


def load(package: str, folder: Path, name: str) -> tuple[Command, str]:
    """Import one command, or one group without its commands; and the kind of result that it writes."""
    module_name = name.replace("-", "_")
    path = f"{package}.{module_name}"
    if (folder / module_name).is_dir():
        package_module = importlib.import_module(path)
        text = package_module.__doc__ or ""
        group = CommandGroup(
            (path, folder / module_name),
            name=name,
            help=text,
            no_args_is_help=True,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        group.arguments = getattr(package_module, "ARGUMENTS", USUAL)
        return group, NO_KIND
    module = importlib.import_module(path)
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(
        name,
        cls=Leaf,
        help=module.__doc__,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(spread(module.command))
    command = typer.main.get_command(single)
    if isinstance(command, Leaf):
        command.arguments = getattr(module, "ARGUMENTS", USUAL)
    return command, getattr(module, "KIND", NO_KIND)
