"""How results look: the versioned envelope for machines, plain aligned text for people, colour only where asked."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, ClassVar, Protocol, TextIO

from ciliumctl.errors import CiliumctlError, OutsideError

API_VERSION = "ciliumctl/v1"
_STYLES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "dim",
    "head": "bold",
    "added": "green",
    "removed": "red",
}
_ASCII = str.maketrans(
    {"✔": "+", "✗": "x", "⚠": "!", "•": "*", "…": "...", "→": "->", "─": "-", "│": "|", "└": "`", "█": "#", "µ": "u"}
)

# What a pod, a server or a chart says goes to a terminal: an escape sequence in it must not move the cursor or worse.
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"}

#: A piece of text, or a piece of text with the name of a style.
Cell = str | tuple[str, str]


class Result(Protocol):
    """What a command returns: a frozen dataclass with a name and a verdict."""

    kind: ClassVar[str]

    @property
    def ok(self) -> bool:
        """Whether the answer is yes."""


def to_json(value: Any) -> Any:
    """Dataclasses and their like as what `json` writes; fields that start with an underscore are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name: to_json(getattr(value, name)) for name in fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [to_json(item) for item in items]
    return value


def envelope(kind: str, result: Result | None, error: CiliumctlError | None = None) -> dict[str, Any]:
    """The one shape of everything that `-o json` and `-o yaml` print, complete on failure too."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "ok": error is None and result is not None and result.ok,
        "data": to_json(result) if result is not None else None,
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
    }


def wants_color(choice: str, stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour `stream`: never off a terminal unless `--color=always`; NO_COLOR and TERM=dumb count."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def harmless(text: str) -> str:
    """`text` with its control characters spelled out, but for line ends and tabs."""
    return text if text.isprintable() else text.translate(_CONTROL)


def plain(text: str, encoding: str | None) -> str:
    """`text` with ASCII signs where the encoding has none of ours."""
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = text.translate(_ASCII)
        return text.encode(encoding or "ascii", "replace").decode(encoding or "ascii")
    return text


class Writer:
    """Writes text for people. Foreign text is never markup.

    `address` makes commands in a text name the cluster that this run was told to use.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        color: bool,
        encoding: str | None = None,
        address: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.address = address
        self._stream = stream
        self._color = color
        self._encoding = encoding or stream.encoding

    def line(self, *cells: Cell) -> None:
        """Write one line made of pieces."""
        if self._color:
            self._styled(cells)
        else:
            text = "".join(map(_text, cells))
            self._stream.write(plain(text.rstrip(), self._encoding) + "\n")

    def hint(self, text: str, *, indent: str = "") -> None:
        """Write what to do."""
        self.line((f"{indent}hint: ", "head"), self.address(text))

    def text(self, text: str) -> None:
        """Write text as it is, such as YAML."""
        self._stream.write(plain(text if text.endswith("\n") else text + "\n", self._encoding))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, indent: str = "") -> None:
        """Write aligned columns, as wide as they are: a table is never cut."""
        filled = [list(row) for row in rows]
        widths = [len(column) for column in columns]
        for row in filled:
            for index, cell in enumerate(row):
                widths[index] = max(widths[index], len(_text(cell)))
        if any(columns):
            self.line(indent, *_padded([(column.upper(), "head") for column in columns], widths))
        for row in filled:
            self.line(indent, *_padded(row, widths))

    def _styled(self, cells: Sequence[Cell]) -> None:
        from rich.console import Console
        from rich.text import Text

        line = Text(no_wrap=True, end="")
        for cell in cells:
            line.append(_text(cell), style=_STYLES.get(cell[1], "") if not isinstance(cell, str) else "")
        line.rstrip()
        console = Console(
            file=self._stream, force_terminal=True, color_system="standard", width=100_000, soft_wrap=True
        )
        console.print(line, highlight=False, soft_wrap=True)


def _text(cell: Cell) -> str:
    return harmless(cell if isinstance(cell, str) else cell[0])


def _padded(row: Sequence[Cell], widths: Sequence[int]) -> list[Cell]:
    cells: list[Cell] = []
    for index, cell in enumerate(row):
        gap = " " * (widths[index] - len(_text(cell)) + 3) if index < len(row) - 1 else ""
        cells += [cell, gap]
    return cells


Render = Callable[[Writer, Any], None]


def write_result(
    result: Result,
    render: Render,
    *,
    output: str,
    color: str,
    environ: Mapping[str, str],
    address: Callable[[str], str],
) -> None:
    """Write a result to standard output in the wanted format."""
    if output in {"json", "yaml"}:
        emit(_data(envelope(result.kind, result), output))
    elif output == "name":
        emit("".join(f"{name}\n" for name in getattr(result, "names", ())))
    else:
        text = io.StringIO()
        colored = wants_color(color, sys.stdout, environ)
        render(Writer(text, color=colored, encoding=sys.stdout.encoding, address=address), result)
        emit(text.getvalue())


def write_failure(kind: str, error: CiliumctlError, result: Result | None, output: str) -> None:
    """Write the envelope of a failed command to standard output; nothing for other formats."""
    if output in {"json", "yaml"}:
        emit(_data(envelope(kind, result, error), output))


def _data(data: Any, output: str) -> str:
    if output == "json":
        return as_json(data)
    from ciliumctl import yaml_files

    return yaml_files.dump(data)


def as_json(data: Any) -> str:
    """Data as `-o json` prints it, in what standard output can encode."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}
    return json.dumps(data, indent=2, ensure_ascii=not unicode) + "\n"


def emit(text: str) -> bool:
    """Write data to standard output at once; a reader that went away, such as `head`, is no failure.

    Returns whether the reader is still there: what writes without an end has no reason to go on otherwise.

    Raises:
        OutsideError: it cannot be written, such as to a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        return let_go(error)
    return True


def let_go(error: OSError) -> bool:
    """Standard output takes no more: leave what could not be written, as Python would try once more at its end.

    Returns `False` where the reader went away.

    Raises:
        OutsideError: it is something else.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return False
    raise OutsideError(
        f"standard output cannot be written: {error.strerror or error}",
        hint="what was written until then is not complete; make room, or write somewhere else",
    ) from error
