"""Find the things that are one file each (checks, scenarios, commands): no registry, nothing to edit twice."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def discover(package: ModuleType, kind: type[T]) -> list[T]:
    """Import every module of `package` and return what they define of type `kind`, in module order."""
    found: list[T] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found += [value for value in vars(module).values() if isinstance(value, kind) and value not in found]
    return found


def summaries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (module name, first line of its docstring) for each module in `folder`, without importing any.

    A package counts as one module; a name that starts with an underscore does not count.
    """
    for path in sorted(folder.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if path.name.startswith(("_", ".")) or source.suffix != ".py" or not source.is_file():
            continue
        yield path.stem, _first_line(source)


def _first_line(source: Path) -> str:
    with source.open(encoding="utf-8") as lines:
        line = lines.readline().strip()
    if not line.startswith('"""'):
        return ""
    text = line.removesuffix('"""').removeprefix('"""')
    return str(ast.literal_eval(f'"""{text}"""')) if "\\" in text else text
