"""Files of policies: which objects are in them, on which lines, and what is wrong with the files themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.kube import Manifest
from ciliumctl.policies import reading
from ciliumctl.policies.lint.model import Finding, finding
from ciliumctl.policies.lint.shapes import Path

# More entries than this by writing aliases out are an attack and no policies.
_MOST_LINES = 100_000
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object, with the line of each of its fields; without lines when it is not from a file."""

    manifest: Manifest
    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)

    @property
    def is_policy(self) -> bool:
        """Whether it is a network policy of a kind that we know."""
        return self.manifest.get("kind") in reading.KINDS

    def finding(self, code: str, message: str, path: Path | str = (), *, severity: Any = "") -> Finding:
        """A finding about a field of it, with the line of the field or of what it is in."""
        steps = steps_of(path) if isinstance(path, str) else path
        line = next((self.lines[steps[:n]] for n in range(len(steps), -1, -1) if steps[:n] in self.lines), 0)
        policy = str(reading.ref_of(self.manifest))
        return finding(code, message, policy=policy, key=written(steps), file=self.file, line=line, severity=severity)


def steps_of(path: str) -> Path:
    """`spec.ingress[0].from` as steps. Paths of rules leave `spec.` out; it is put before them."""
    steps: Path = tuple(int(number) if number else name for name, number in _STEP.findall(path))
    return steps if steps[:1] in {("spec",), ("specs",), ("metadata",)} or not steps else ("spec", *steps)


def written(steps: Sequence[str | int]) -> str:
    """Steps as one text; the opposite of `steps_of`."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in steps).lstrip(".")


def files_of(names: Sequence[str]) -> list[str]:
    """The files that are meant: a folder stands for all YAML in it, by name. `-` is standard input."""
    found: list[str] = []
    for name in names:
        path = FilePath(name).expanduser()
        if name != "-" and path.is_dir():
            found += sorted(str(one) for one in path.rglob("*") if one.suffix in {".yaml", ".yml"} and one.is_file())
        else:
            found.append(name)
    return found


def read(content: bytes, name: str) -> tuple[list[Document], list[Finding]]:
    """The objects in a file of any bytes; what is wrong with the file is told, never raised."""
    try:
        text = content.decode("utf-8-sig")
        nodes = list(yaml.compose_all(text, Loader=yaml_files.Loader))
        values = list(yaml.load_all(text, Loader=yaml_files.Loader))
    except UnicodeDecodeError as error:
        return [], [_broken(name, f"byte {error.start + 1} is no UTF-8")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [], [_broken(name, yaml_files.problem(error), mark.line + 1 if mark else 0)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        return [], [_broken(name, str(error))]
    documents: list[Document] = []
    findings: list[Finding] = []
    for node, value in zip(nodes, values, strict=True):
        if isinstance(value, Mapping):
            walk = _Walk(name)
            walk.visit(node, ())
            findings += walk.findings
            documents += _objects(value, name, walk.lines)
    if not any(document.is_policy for document in documents):
        findings.append(finding("CP002", "there is no network policy in it", file=name))
    return documents, findings


def _broken(name: str, why: str, line: int = 0) -> Finding:
    return finding("CP001", f"it is not valid YAML: {why}", file=name, line=line)


def _objects(value: Manifest, name: str, lines: Mapping[Path, int]) -> Iterator[Document]:
    """The object, or those in a `List`."""
    if not (str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list)):
        yield Document(manifest=value, file=name, lines=lines)
        return
    for number, item in enumerate(value["items"]):
        if isinstance(item, Mapping):
            mine = {path[2:]: line for path, line in lines.items() if path[:2] == ("items", number)}
            yield Document(manifest=item, file=name, lines=mine)


class _Walk:
    """The line of each field, and the keys that stand twice in one map."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Path, int] = {}
        self.findings: list[Finding] = []
        self._name = name

    def visit(self, node: Any, path: Path) -> None:
        """Note a node and all below it."""
        if len(self.lines) > _MOST_LINES:
            return
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.visit(item, (*path, number))
        elif isinstance(node, yaml.MappingNode):
            self._fields(node, path)

    def _fields(self, node: yaml.MappingNode, path: Path) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            below = (*path, name)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                message = f"`{name}` stands there already, and only this one counts"
                self.findings.append(finding("CP003", message, key=written(below), file=self._name, line=line))
            seen.add(name)
            self.lines[below] = key.start_mark.line + 1
            self.visit(value, below)
