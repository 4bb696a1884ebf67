"""The actions of a Go template as a tree: what is inside of an `if`, a `with`, a `range` or a `define`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_BLOCK = re.compile(r"(if|with|range|define|block|else|end|template|break|continue)\b\s*(.*)", re.DOTALL)
#: A name in quotes, and the rest.
NAME = re.compile(r'"([^"]*)"\s*(.*)', re.DOTALL)


@dataclass(slots=True)
class Node:
    """An action, with the ones inside of it."""

    word: str
    text: str
    inside: list[Node] = field(default_factory=list)


def tree(text: str, helpers: dict[str, list[Node]]) -> list[Node]:
    """The actions of a template, nested; what it defines goes into `helpers`."""
    root: list[Node] = []
    stack = [root]
    for match in _ACTION.finditer(text):
        action = match[1]
        if action.startswith("/*"):
            continue
        block = _BLOCK.match(action)
        word, rest = (block[1], block[2]) if block else ("", action)
        if word == "end":
            stack = stack[:-1] or [root]
            continue
        node = Node(word, rest)
        if word == "define" and (named := NAME.match(rest)):
            helpers[named[1]] = node.inside
        else:
            stack[-1].append(node)
        if word in {"if", "with", "range", "define", "block"}:
            stack.append(node.inside)
    return root


def split_else(nodes: list[Node]) -> tuple[list[Node], list[Node]]:
    """What is before the first `else`, and all from there."""
    for number, node in enumerate(nodes):
        if node.word == "else":
            return nodes[:number], nodes[number:]
    return nodes, []
