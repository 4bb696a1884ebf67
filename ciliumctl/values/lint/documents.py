"""Values files as they are written: what they hold, where, and what is wrong with them before any chart is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint.model import Finding
from ciliumctl.values.paths import Path, join

# More nodes than this by writing aliases out are an attack and no values: Helm refuses them too.
_MOST_NODES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A values file. `text` is empty and `problems` says why where it cannot be read as one."""

    name: str
    text: str
    layer: Layer
    problems: tuple[Finding, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the values are known."""
        return not any(finding.code in {"CV001", "CV002"} for finding in self.problems)


def read(content: bytes, name: str) -> Document:
    """A values file of any bytes: what is wrong with it is told, never raised."""
    try:
        text = content.decode("utf-8-sig")
        nodes = list(yaml.compose_all(text, Loader=yaml_files.Loader))
    except UnicodeDecodeError as error:
        return _unreadable(name, f"it is not UTF-8: byte {error.start + 1} is none of it")
    except yaml.YAMLError as error:
        return _unreadable(name, yaml_files.problem(error), _line_of(error))
    except (ValueError, OverflowError, RecursionError) as error:
        return _unreadable(name, _deep(error))
    if problem := _bottomless(nodes):
        return _unreadable(name, problem)
    try:
        values = yaml_files.first(text)
    except yaml.YAMLError as error:
        return _unreadable(name, yaml_files.problem(error), _line_of(error))
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        return _unreadable(name, _deep(error))
    return _document(name, text, nodes, values)


def _document(name: str, text: str, nodes: list[Any], values: Any) -> Document:
    problems: list[Finding] = []
    if values is None:
        problems.append(_problem("CV004", "info", "the file has no values", name))
    elif not isinstance(values, Mapping):
        what = {list: "a list", str: "a text", bool: "a yes or no"}.get(type(values), "a number")
        problem = _problem("CV002", "error", f"the file holds {what}, not `key: value` lines", name, 1)
        return Document(name=name, text="", layer=Layer(origin=name, values={}), problems=(problem,))
    if len(nodes) > 1:
        line = nodes[1].start_mark.line + 1 if nodes[1] is not None else 0
        message = f"the file has {len(nodes)} documents: Helm 3 reads the first one only, Helm 4 all"
        problems.append(_problem("CV005", "error", message, name, line))
    lines: dict[Path, int] = {}
    _walk(nodes[0] if nodes else None, (), lines, problems, name)
    layer = Layer(origin=name, values=_with_text_keys(values or {}), lines=lines)
    return Document(name=name, text=text, layer=layer, problems=tuple(problems))


def _unreadable(name: str, why: str, line: int = 0) -> Document:
    problem = _problem("CV001", "error", f"the file is not valid YAML: {why}", name, line)
    return Document(name=name, text="", layer=Layer(origin=name, values={}), problems=(problem,))


def _problem(code: str, severity: Any, message: str, file: str, line: int = 0, key: str = "") -> Finding:
    return Finding(code=code, severity=severity, key=key, message=message, file=file, line=line)


def _line_of(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark is not None else 0


def _deep(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _bottomless(nodes: list[Any]) -> str:
    """Why the aliases of a file cannot be written out: one holds itself, or they make too much of it."""
    sizes: dict[int, int] = {}
    above: set[int] = set()
    written = 0

    def size(node: Any) -> int:
        nonlocal written
        written += id(node) not in sizes
        if node is None or isinstance(node, yaml.ScalarNode):
            return 1
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in above:
            raise _Endless
        above.add(id(node))
        below = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        total = 1 + sum(size(part) for part in below)
        above.discard(id(node))
        sizes[id(node)] = total
        return total

    try:
        total = sum(size(node) for node in nodes)
    except _Endless:
        return "an anchor holds itself"
    except RecursionError:
        return "it is nested too deeply"
    return "its aliases make more of it than Helm takes" if total - written > _MOST_NODES else ""


class _Endless(Exception):
    """An alias within the anchor that it names."""


def _walk(node: Any, prefix: Path, lines: dict[Path, int], problems: list[Finding], name: str) -> None:
    """The line of each key, and the keys that stand twice in one map."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _walk(part, prefix, lines, [], name)
            continue
        text = _text_key(key)
        line = key.start_mark.line + 1
        path = (*prefix, text)
        if text in seen:
            message = f"`{join(path)}` stands in line {seen[text]} already, and only this one counts"
            problems.append(_problem("CV003", "error", message, name, line, join(path)))
        seen[text] = line
        lines[path] = line
        _walk(value, path, lines, problems, name)


def _text_key(key: Any) -> str:
    """A key as Helm has it: every key is a text in the end."""
    if not isinstance(key, yaml.ScalarNode):
        return "?"
    if key.tag == "tag:yaml.org,2002:bool":
        return "true" if key.value.lower() in {"y", "yes", "on", "true"} else "false"
    return str(key.value)


def _with_text_keys(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {
            str(key).lower() if isinstance(key, bool) else "null" if key is None else str(key): _with_text_keys(value)
            for key, value in values.items()
        }
    return [_with_text_keys(item) for item in values] if isinstance(values, list) else values
