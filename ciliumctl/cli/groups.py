"""Options that several commands share, declared once: in a command's signature a class of them stands for all.

Typer knows single parameters only, so `spread` shows it the class's fields and puts them together for the command.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, get_type_hints


class OptionGroup:
    """What the classes of options have in common: each is a dataclass, each field is declared as a parameter is."""


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of each group in its signature, where the group stands."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and issubclass(kind, OptionGroup):
            groups[parameter.name] = kind
            parameters += _parameters(kind)
        else:
            parameters.append(parameter)
    if not groups:
        return command

    @wraps(command)
    def spread_out(*args: Any, **given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        command(*args, **given, **made)

    spread_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    spread_out.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread_out


def _parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]
