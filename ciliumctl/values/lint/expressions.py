"""The expressions of Go templates, as far as it takes to see which values they read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:\\.|[^"\\])*"|`[^`]*`)
      | (?P<char>'(?:\\.|[^'\\])+')
      | (?P<variable>\$\w*)
      | (?P<field>(?:\.[A-Za-z_]\w*)+)
      | (?P<dot>\.)(?![\w])
      | (?P<number>[-+]?\d[\w.]*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>[()|,]|:?=)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a number."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and the fields asked of it; the empty name is `$`."""

    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """Fields of the dot, or of what stands in parentheses before them."""

    fields: tuple[str, ...] = ()
    of: Expression | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments; what is piped into it comes last."""

    name: str
    arguments: tuple[Expression, ...]


Expression = Literal | Variable | Field | Call


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool


@cache
def parse(text: str) -> Expression | None:
    """The expression of an action, without an assignment; None for an empty one. Charts repeat most of theirs."""
    tokens = list(_tokens(text))
    found, _rest = _pipeline(tokens, 0)
    return found


def _tokens(text: str) -> Sequence[_Token]:
    found = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            position += 1
            continue
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind) > position or position == 0))
        position = match.end()
    return found


def _pipeline(tokens: Sequence[_Token], at: int) -> tuple[Expression | None, int]:
    left: Expression | None = None
    while at < len(tokens):
        operands, at = _operands(tokens, at)
        if operands:
            left = _command(operands, left)
        if at >= len(tokens) or tokens[at].text == ")":
            break
        at += 1
    return left, at


def _command(operands: list[Expression], piped: Expression | None) -> Expression:
    first, more = operands[0], operands[1:]
    if piped is not None:
        more = [*more, piped]
    if isinstance(first, Call) and not first.arguments and first.name:
        return Call(first.name, tuple(more))
    # Not a function: a method such as `.Capabilities.APIVersions.Has "x"`; its arguments are evaluated too.
    return Call("", (first, *more)) if more else first


def _operands(tokens: Sequence[_Token], at: int) -> tuple[list[Expression], int]:
    found: list[Expression] = []
    while at < len(tokens) and tokens[at].text not in {"|", ")"}:
        token = tokens[at]
        at += 1
        if token.text == "(":
            inner, at = _pipeline(tokens, at)
            at += 1
            if inner is not None:
                # A function in parentheses is called there and then, also without arguments.
                found.append(Call("", (inner,)) if isinstance(inner, Call) and not inner.arguments else inner)
        elif token.kind == "field" and not token.spaced and found:
            found[-1] = _below(found[-1], _names(token.text))
        else:
            operand = _operand(token)
            if operand is not None:
                found.append(operand)
    return found, at


def _below(of: Expression, names: tuple[str, ...]) -> Expression:
    return Variable(of.name, names) if isinstance(of, Variable) and not of.fields else Field(names, of)


def _operand(token: _Token) -> Expression | None:
    if token.kind == "text":
        return Literal(token.text[1:-1].replace('\\"', '"') if token.text[0] == '"' else token.text[1:-1])
    if token.kind == "number":
        return Literal(int(token.text) if token.text.lstrip("+-").isdigit() else token.text)
    if token.kind == "variable":
        return Variable(token.text[1:])
    if token.kind == "field":
        return Field(_names(token.text))
    if token.kind == "dot":
        return Field()
    if token.kind == "name":
        return Literal(token.text) if token.text in {"true", "false", "nil"} else Call(token.text, ())
    return None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.strip(".").split("."))
