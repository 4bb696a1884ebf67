"""`commands.md`: every command of the live command line, with its options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import typer  # noqa: TID251 - the reference is read from the live command line
from typer._click import Command, Context, Parameter  # noqa: TID251

from ciliumctl.cli import app
from ciliumctl.cli.loading import Leaf
from ciliumctl.cli.settings import ENV_PREFIX, Choice, global_options
from docs.generating.text import NOTICE, help_text, prose, table


def command_line() -> Command:
    """The live command line."""
    return typer.main.get_command(app)


def commands() -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command and group with its words, the groups before what is in them."""
    yield from _walk((), command_line(), None)


def _walk(
    words: tuple[str, ...], command: Command, parent: Context | None
) -> Iterator[tuple[tuple[str, ...], Command]]:
    yield words, command
    if hasattr(command, "list_commands"):
        ctx = Context(command, info_name=words[-1] if words else "ciliumctl", parent=parent)
        for name in sorted(command.list_commands(ctx)):
            yield from _walk((*words, name), command.get_command(ctx, name), ctx)  # type: ignore[attr-defined]


def page() -> str:
    """Every command with its options."""
    found = list(commands())
    text = f"{NOTICE}# Commands\n\nWhat `ciliumctl COMMAND --help` says, with each option's default and variable.\n\n"
    rows = [
        (f"[`ciliumctl {' '.join(words)}`](#ciliumctl-{'-'.join(words)})", prose((command.help or "").splitlines()[0]))
        for words, command in found
        if words
    ]
    text += table(("command", "what it does"), rows)
    text += "## Global options\n\nAccepted before and after every command.\n\n"
    text += _options(global_options(), ())
    for words, command in found:
        if words:
            text += f"## ciliumctl {' '.join(words)}\n\n{help_text(command.help or '')}{_parameters(words, command)}"
    return text.rstrip() + "\n"


def _parameters(words: tuple[str, ...], command: Command) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    if hasattr(command, "list_commands"):
        return ""
    named = " ".join(_metavar(param) for param in arguments)
    handed_on = command.arguments.rest if isinstance(command, Leaf) else ""
    rest = f" [-- {handed_on}]" if handed_on else ""
    text = f"```text\nciliumctl {' '.join(words)} {f'{named} ' if named else ''}[OPTIONS]{rest}\n```\n\n"
    if arguments:
        text += table(("argument", "meaning"), ((f"`{_metavar(param)}`", prose(_help(param))) for param in arguments))
    return text + (_options(options, words) if options else "")


def _options(options: Iterable[Parameter], words: tuple[str, ...]) -> str:
    rows = (
        (
            ", ".join(f"`{flag}`" for flag in (*sorted(param.opts, key=len), *param.secondary_opts)),
            _type(param),
            _default(param),
            ", ".join(f"`{name}`" for name in variables(param, words)),
            prose(_help(param)),
        )
        for param in options
    )
    return table(("option", "type", "default", "variable", "meaning"), rows)


def _help(param: Parameter) -> str:
    return str(getattr(param, "help", "") or "")


def _metavar(param: Parameter) -> str:
    return str(getattr(param, "metavar", "") or (param.name or "").upper())


def _type(param: Parameter) -> str:
    if isinstance(param.type, Choice):
        return "one of " + ", ".join(f"`{word}`" for word in param.type.words)
    if getattr(param, "is_flag", False):
        return "flag"
    if getattr(param, "count", False):
        return "count"
    metavar = getattr(param, "metavar", None)
    kind = metavar or param.type.name
    return f"`{kind.replace('|', '` or `')}`" + (", repeatable" if param.multiple else "")


def _default(param: Parameter) -> str:
    value = param.default
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"`{value / 60:.0f}m`" if value >= 60 and value % 60 == 0 else f"`{value:.0f}s`"
    return "" if value in {None, "", ()} or callable(value) else f"`{value}`"


def variables(param: Parameter, words: tuple[str, ...]) -> list[str]:
    """The environment variables of an option."""
    named = [param.envvar] if isinstance(param.envvar, str) else list(param.envvar or [])
    return named or ["_".join([ENV_PREFIX, *words, param.name or ""]).upper().replace("-", "_")]
