"""Write values files anew in today's words, with their comments where that can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.values.layers import Layer
from ciliumctl.values.lint import documents
from ciliumctl.values.lint.documents import Document
from ciliumctl.values.lint.editing import Stuck, Text
from ciliumctl.values.lint.model import Finding, Fixed
from ciliumctl.values.paths import Path, get, leaves, merge, put, remove, split

# Each round translates what the last one wrote; a value is seldom renamed twice.
_ROUNDS = 6
_MISSING: Any = object()


def fix(document: Document, find: Callable[[Layer], Sequence[Finding]]) -> Fixed:
    """The file with everything translated that can be. `find` is asked for the findings of a layer, round by round.

    The text is edited, and read again to see that it says what it should; where that cannot be done, the values are
    written anew, without comments.
    """
    values: dict[str, Any] = merge({}, document.layer.values)
    text, kept = document.text, True
    for _round in range(_ROUNDS):
        current = documents.read(text.encode(), document.name)
        todo = sorted((finding for finding in find(current.layer) if finding.fixable), key=lambda found: found.line)
        if not todo:
            break
        values = _translated(current.layer.values, todo)
        edited = _edited(text, current.layer.values, todo)
        if edited is None or _read(edited) != values:
            text, kept = yaml_files.dump(values) if values else "", False
        else:
            text = edited
    return Fixed(file=document.name, text=text, changed=text != document.text, kept=kept)


def _read(text: str) -> Any:
    try:
        return yaml_files.first(text) or {}
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None


def _translated(values: Mapping[str, Any], todo: list[Finding]) -> dict[str, Any]:
    """What the file should hold in the end."""
    result: dict[str, Any] = merge({}, values)
    for finding in todo:
        path = split(finding.key)
        if list(finding.translation) == [finding.key]:
            put(result, path, finding.translation[finding.key])
        else:
            remove(result, path)
            _under(result, finding.translation)
    return result


def _under(values: dict[str, Any], translation: Mapping[str, Any]) -> None:
    for target, new in translation.items():
        path = split(target)
        if _free(values, path):
            put(values, path, new)


def _free(values: Mapping[str, Any], path: Path) -> bool:
    """Whether there is room for a value: nothing is set there, and nothing but maps above."""
    above = (get(values, path[:depth], {}) for depth in range(1, len(path)))
    return get(values, path, _MISSING) is _MISSING and all(
        found is None or isinstance(found, Mapping) for found in above
    )


def _edited(text: str, values: Mapping[str, Any], todo: list[Finding]) -> str | None:
    """The text after the same steps; None where one cannot be done in it."""
    editor = Text(text)
    now: dict[str, Any] = merge({}, values)
    try:
        for finding in todo:
            _edit(editor, now, finding)
            now = _translated(now, [finding])
    except (Stuck, IndexError, StopIteration):
        return None
    return editor.text


def _edit(editor: Text, now: Mapping[str, Any], finding: Finding) -> None:
    path = split(finding.key)
    old = get(now, path)
    rest: dict[str, Any] = merge({}, now)
    remove(rest, path)
    new = {split(target): value for target, value in finding.translation.items() if _free(rest, split(target))}
    if list(finding.translation) == [finding.key]:
        editor.change(path, finding.translation[finding.key])
        return
    neighbours = [target for target in new if target[:-1] == path[:-1]]
    if neighbours and (new[neighbours[0]] == old or not (_many(old) or _many(new[neighbours[0]]))):
        first = neighbours[0]
        if new[first] != old or type(new[first]) is not type(old):
            editor.change(path, new[first])
        editor.rename(path, first[-1])
        new.pop(first)
        comment, above = "", []
    else:
        comment = editor.comment_of(path)
        above = editor.take_above(path) if new else []
        editor.remove(path)
    for target, value in new.items():
        parts = dict(leaves({"": value})) if isinstance(value, Mapping) and editor.has(target) else {("",): value}
        for part, leaf in parts.items():
            if comment and _many(leaf):
                # What takes several lines has no end for it.
                above, comment = [*above, comment], ""
            editor.put((*target, *part[1:]), leaf, comment, above)
            above = []


def _many(value: Any) -> bool:
    return isinstance(value, Mapping | list)
