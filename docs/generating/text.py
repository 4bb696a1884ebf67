"""Markdown out of the code's own texts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping

NOTICE = "<!-- Written by docs/generate.py: change the code, then run `nox -s reference`. -->\n\n"


def prose(text: str) -> str:
    """Plain text as Markdown: an angle bracket outside of code is no tag."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar within a cell becomes a word, for it ends the cell even in code."""
    lines = [list(columns)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    cells = ([" ".join(cell.split()).replace("|", " or ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells) + "\n"


def codes(known: Mapping[str, tuple[str, str]], more: Mapping[str, str] | None = None) -> str:
    """Kinds of findings, from code to name and meaning: a table, then a section each, with `more` to say of some."""
    rows = ((f"[`{code}`](#{code.lower()})", f"`{name}`", prose(about)) for code, (name, about) in known.items())
    text = table(("code", "name", "meaning"), rows)
    for code, (_name, about) in known.items():
        said = [prose(about), *([prose(more[code])] if more and code in more else [])]
        text += f"## {code}\n\n{' '.join(said)}\n\n"
    return text


def first_paragraph(thing: object) -> str:
    """What a docstring says first, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def help_text(text: str) -> str:
    """A help text as Markdown: a line that ends in a colon with indented lines below it is a list of commands."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if len(lines) > 1 and lines[0].endswith(":") and all(line.startswith("  ") for line in lines[1:]):
            shown = [re.sub(r"(?<=\S) {4,}", "  # ", line.strip()) for line in lines[1:]]
            blocks.append(f"{lines[0]}\n\n```console\n" + "".join(f"$ {line}\n" for line in shown) + "```")
        else:
            blocks.append(prose(block))
    return "\n\n".join(blocks) + "\n\n"
