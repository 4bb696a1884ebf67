"""`exit-codes.md`: the exit codes, and the codes of errors."""

from __future__ import annotations

import importlib
import inspect

from ciliumctl.errors import EXIT_CODES, CiliumctlError
from docs.generating.text import NOTICE, first_paragraph, prose, table


def errors() -> list[type[CiliumctlError]]:
    """Every error with a code, in the order of their module."""
    module = importlib.import_module(CiliumctlError.__module__)
    found = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, CiliumctlError)]
    return [error for error in found if error is not CiliumctlError]


def page() -> str:
    """The exit codes, and the codes in the envelope's `error`."""
    text = f"{NOTICE}# Exit codes and error codes\n\n"
    text += "The exit code says what came of a command, whatever its `-o` is.\n\n"
    text += table(("exit code", "meaning"), ((f"`{code}`", prose(meaning)) for code, meaning in EXIT_CODES.items()))
    text += (
        "`debug shell` and `debug agent` hand on the exit code of the command that they ran, whatever it is: it is\n"
        "the command's once that has started, and of this table before. Only ours come with a line `error:` on\n"
        "standard error, and with `error` in the envelope of `-o json`.\n\n"
    )
    text += "## Error codes\n\nWith `-o json` and `-o yaml` a failure has a stable code in `error.code`.\n"
    text += (
        "A bad answer, such as an unhealthy status, is no error: `ok` is false, `error` null and the exit code 1.\n\n"
    )
    rows = []
    for error in errors():
        parent = error.__mro__[1]
        kind = f"`{parent.code}`" if issubclass(parent, CiliumctlError) and parent is not CiliumctlError else ""
        rows.append((f"`{error.code}`", f"`{error.exit_code}`", kind, prose(first_paragraph(error))))
    return text + table(("code", "exit code", "a kind of", "meaning"), rows).rstrip() + "\n"
