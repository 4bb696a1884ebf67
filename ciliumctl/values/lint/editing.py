"""Edit YAML as text, so that comments and order stay: rename a key, change a value, take one out, put one in.

Each edit looks at the text anew, so that edits do not know of each other. What cannot be done this way (a value that an
alias brought, a map in several lines of braces) raises `Stuck`; the caller then writes the values without the comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.values.paths import Path

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile(r"\s+#.*$")


class Stuck(Exception):
    """The text cannot be edited at this place."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A key in the text: its node, its value's, and the map that they are in."""

    key: Any
    value: Any
    parent: Any


class Text:
    """A YAML text and the edits on it."""

    def __init__(self, text: str) -> None:
        self._set(text)

    def _set(self, text: str) -> None:
        self.text = text
        try:
            self._root = next(iter(yaml.compose_all(text, Loader=yaml_files.Loader)), None)
        except yaml.YAMLError as error:
            raise Stuck from error
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        match = _BREAK.search(text)
        self._newline = match[0] if match else "\n"

    def _offset(self, mark: Any) -> int:
        return int(self._starts[mark.line] + mark.column) if mark.line < len(self._starts) else len(self.text)

    def _line(self, number: int) -> str:
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[number] : end]

    # Looking

    def _find(self, path: Path) -> _Place:
        node, place = self._root, None
        for name in path:
            if not isinstance(node, yaml.MappingNode):
                raise Stuck
            pairs = [(key, value) for key, value in node.value if _name(key) == name]
            if len(pairs) != 1:
                # Not there by itself (a merge key brought it), or twice.
                raise Stuck
            place = _Place(pairs[0][0], pairs[0][1], node)
            node = pairs[0][1]
            if self._offset(node.start_mark) < self._offset(place.key.start_mark):
                # An alias: its value stands elsewhere, and others may want it.
                raise Stuck
        if place is None:
            raise Stuck
        return place

    def has(self, path: Path) -> bool:
        """Whether the text has a key of its own for a path."""
        try:
            self._find(path)
        except Stuck:
            return False
        return True

    # Editing

    def rename(self, path: Path, name: str) -> None:
        """Give a key another name; its value and its comments stay."""
        key = self._find(path).key
        self._replace(self._offset(key.start_mark), self._offset(key.end_mark), _scalar(name))

    def change(self, path: Path, value: Any) -> None:
        """Give a key another single value."""
        node = self._find(path).value
        if not isinstance(node, yaml.ScalarNode) or node.style in {"|", ">"} or isinstance(value, Mapping | list):
            raise Stuck
        start, end = self._offset(node.start_mark), self._offset(node.end_mark)
        if "&" in self.text[self._offset(self._find(path).key.end_mark) : start]:
            raise Stuck
        space = "" if start and self.text[start - 1].isspace() else " "
        self._replace(start, end, space + _scalar(value))

    def remove(self, path: Path) -> None:
        """Take a key out, with its value; and the maps that are empty then."""
        place = self._find(path)
        if len(place.parent.value) == 1 and len(path) > 1:
            self.remove(path[:-1])
            return
        if place.parent.flow_style:
            self._remove_within(place)
            return
        first, last = place.key.start_mark.line, self._last_line(place.value)
        if self.text[self._starts[first] : self._offset(place.key.start_mark)].strip():
            # Behind a `-` or a `---`, on the same line.
            raise Stuck
        end = self._starts[last + 1] if last + 1 < len(self._starts) else len(self.text)
        self._replace(self._starts[first], end, "")

    def _remove_within(self, place: _Place) -> None:
        """One of several pairs between braces, with the comma that belongs to it."""
        pairs = place.parent.value
        number = next(number for number, (key, _value) in enumerate(pairs) if key is place.key)
        if number + 1 < len(pairs):
            start, end = self._offset(place.key.start_mark), self._offset(pairs[number + 1][0].start_mark)
        elif number:
            start, end = self._end(pairs[number - 1][1]), self._end(place.value)
        else:
            start, end = self._offset(place.key.start_mark), self._end(place.value)
        self._replace(start, end, "")

    def put(self, path: Path, value: Any, comment: str = "", above: Sequence[str] = ()) -> None:
        """Put a value in, with its comments: at the end of the nearest map that is there."""
        depth = next((n for n in range(len(path) - 1, 0, -1) if self.has(path[:n])), 0)
        node = self._find(path[:depth]).value if depth else self._root
        rest = path[depth:]
        if isinstance(node, yaml.MappingNode) and node.flow_style and node.value:
            self._put_within(node, rest, value)
        elif isinstance(node, yaml.MappingNode) and not node.flow_style:
            column = node.value[0][0].start_mark.column
            self._insert(self._last_line(node) + 1, _block(rest, value, column), comment, above)
        elif depth:
            self._put_below(path[:depth], node, _block(rest, value, self._indent(path[:depth])), comment, above)
        elif node is None or (isinstance(node, yaml.MappingNode) and not node.value):
            self._first(node, _block(rest, value, 0), comment, above)
        else:
            raise Stuck

    def _put_within(self, node: Any, rest: Path, value: Any) -> None:
        end = self._end(node.value[-1][1])
        self._replace(end, end, f", {_flow(rest, value)}")

    def _put_below(self, path: Path, node: Any, block: str, comment: str, above: Sequence[str]) -> None:
        """Below a key that has an empty map, or nothing."""
        place = self._find(path)
        empty = isinstance(node, yaml.MappingNode) and not node.value
        if place.parent.flow_style or not (empty or node.tag == "tag:yaml.org,2002:null"):
            raise Stuck
        start, end = self._offset(node.start_mark), self._offset(node.end_mark)
        if end > start:
            self._replace(start, end, "")
        self._insert(place.key.start_mark.line + 1, block, comment, above)

    def _indent(self, path: Path) -> int:
        return int(self._find(path).key.start_mark.column) + 2

    def _first(self, node: Any, block: str, comment: str, above: Sequence[str]) -> None:
        """The first value of a text that has none."""
        if node is not None:
            self._replace(self._offset(node.start_mark), self._offset(node.end_mark), "")
        self._insert(len(self._starts), block, comment, above)

    def _insert(self, line: int, block: str, comment: str, above: Sequence[str]) -> None:
        """A block before a line; with comments above, and one at its end when it is one line long."""
        lines = block.rstrip("\n").split("\n")
        if comment:
            lines[-1] = f"{lines[-1]}  {comment}"
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        lines = [*(indent + text for text in above), *lines]
        at = self._starts[line] if line < len(self._starts) else len(self.text)
        before = "" if at == 0 or _BREAK.search(self.text[at - 1 : at]) else self._newline
        self._replace(at, at, before + self._newline.join(lines) + self._newline)

    def comment_of(self, path: Path) -> str:
        """The comment behind a single value."""
        try:
            place = self._find(path)
        except Stuck:
            return ""
        if not isinstance(place.value, yaml.ScalarNode) or place.parent.flow_style or place.value.style in {"|", ">"}:
            return ""
        end = self._offset(place.value.end_mark)
        rest = self.text[end : self._starts[place.value.end_mark.line] + len(self._line(place.value.end_mark.line))]
        match = _COMMENT.match(rest.rstrip("\r\n"))
        return match[0].strip() if match else ""

    def take_above(self, path: Path) -> list[str]:
        """Take out the comments right above a value that moves elsewhere, and return them.

        Those above the maps that it is the first of go with it, other than the file's own top level.
        """
        taken: list[str] = []
        for depth in range(len(path), 0, -1):
            place = self._find(path[:depth])
            if place.parent.flow_style or (depth == 1 and depth < len(path)):
                break
            line = place.key.start_mark.line
            first = line
            while first and self._line(first - 1).lstrip().startswith("#"):
                first -= 1
            if first == 0:
                # At the top of a file a comment is about the file.
                break
            taken = [self._line(number).strip() for number in range(first, line)] + taken
            self._replace(self._starts[first], self._starts[line], "")
            if self._find(path[:depth]).parent.value[0][0].value != path[depth - 1]:
                break
        return taken

    # Where things end

    def _last_line(self, node: Any) -> int:
        """The last line that a value is on; a block's own mark is where the next thing starts."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            if not node.value:
                return int(node.start_mark.line)
            last = node.value[-1]
            inner = last[1] if isinstance(last, tuple) else last
            outer = last[0] if isinstance(last, tuple) else last
            if self._offset(inner.start_mark) < self._offset(outer.start_mark):
                return int(outer.end_mark.line)
            return max(self._last_line(inner), int(outer.end_mark.line))
        mark = node.end_mark
        at_start = mark.column == 0 and mark.line > node.start_mark.line
        return int(mark.line - 1 if at_start else mark.line)

    def _end(self, node: Any) -> int:
        return self._offset(node.end_mark)

    def _replace(self, start: int, end: int, new: str) -> None:
        self._set(self.text[:start] + new + self.text[end:])


def _name(key: Any) -> str:
    if not isinstance(key, yaml.ScalarNode):
        return "?"
    if key.tag == "tag:yaml.org,2002:bool":
        return "true" if key.value.lower() in {"y", "yes", "on", "true"} else "false"
    return str(key.value)


def _scalar(value: Any) -> str:
    """A single value in one line of YAML."""
    text = yaml_files.dump(value)
    lines = [line for line in text.splitlines() if line != "..."]
    if len(lines) != 1:
        raise Stuck
    return lines[0]


def _nested(rest: Path, value: Any) -> Any:
    for name in reversed(rest):
        value = {name: value}
    return value


def _block(rest: Path, value: Any, indent: int) -> str:
    lines = yaml_files.dump(_nested(rest, value)).splitlines()
    return "\n".join(" " * indent + line if line else line for line in lines) + "\n"


def _flow(rest: Path, value: Any) -> str:
    text = yaml_files.dump_flow(_nested(rest, value)).strip()
    if "\n" in text:
        raise Stuck
    return text[1:-1]
