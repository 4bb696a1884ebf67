"""Which values a chart's templates read: so that a key which only a template knows is never called unknown.

The templates are not rendered. Every action is followed with what is known of its dot and its variables, through
`with`, `range` and the helpers that are called, and each way into `.Values` is written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ciliumctl.values.lint.expressions import Call, Expression, Literal, parse
from ciliumctl.values.lint.expressions import Field as FieldOf
from ciliumctl.values.lint.expressions import Variable as VariableOf
from ciliumctl.values.lint.trees import NAME, Node, split_else, tree
from ciliumctl.values.paths import Path

_ASSIGN = re.compile(r"\$(\w*)\s*(?:,\s*\$(\w+)\s*)?:?=(?!=)\s*(.*)", re.DOTALL)
# Helpers that call each other: no chart nests them deeper.
_DEEPEST = 24


@dataclass(frozen=True, slots=True)
class At:
    """A place in the values; the empty path is `.Values` itself."""

    path: Path


@dataclass(frozen=True, slots=True)
class Top:
    """What a template starts with: the dot that has `.Values`."""


@dataclass(frozen=True, slots=True)
class Several:
    """A list that the template made."""

    items: tuple[frozenset[Thing], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A dictionary that the template made."""

    items: tuple[tuple[str, frozenset[Thing]], ...]


Thing = At | Top | Several | Named
Things = frozenset[Thing]
NOTHING: Things = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A `fail` of the templates: its words, and the values that the conditions around it read."""

    message: str
    keys: tuple[Path, ...]


@dataclass(slots=True)
class Reads:
    """What the templates read: single values, whole subtrees, and what leads to a `fail`."""

    paths: set[Path] = field(default_factory=set)
    whole: set[Path] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)


def scan(files: Mapping[str, bytes]) -> Reads:
    """What the templates of a chart read. `files` are the chart's, by name."""
    trees = {}
    helpers: dict[str, list[Node]] = {}
    for name, content in files.items():
        if b"{{" not in content or not name.startswith(("templates/", "files/")):
            continue
        if b"Values" not in content and b"define" not in content:
            continue
        trees[name] = tree(content.decode("utf-8", "replace"), helpers)
    walk = _Walk(helpers)
    for actions in trees.values():
        walk.run(actions, frozenset([Top()]))
    return walk.reads


class _Walk:
    """Follows the actions of templates and writes down what they read."""

    def __init__(self, helpers: Mapping[str, list[Node]]) -> None:
        self._helpers = helpers
        self._done: dict[tuple[str, Things], Things] = {}
        self._conditions: list[tuple[Path, ...]] = []
        self._seen: list[Path] = []
        self._depth = 0
        self.reads = Reads()

    def run(self, nodes: Iterable[Node], dot: Things) -> None:
        """One template, or one helper, with its dot."""
        self._body(nodes, dot, {"": dot})

    def _body(self, nodes: Iterable[Node], dot: Things, variables: dict[str, Things]) -> None:
        outer = len(self._conditions)
        here = dot
        for node in nodes:
            if node.word in {"if", "with", "range"}:
                self._block(node, here, variables)
            elif node.word == "else":
                # The rest of the block: with the outer dot, unless it is a `with` of its own.
                word, _space, rest = node.text.partition(" ")
                if word in {"if", "with"}:
                    self._condition(rest, here, variables)
            elif node.word in {"template", "block"} and (named := NAME.match(node.text)):
                self._call(named[1], self._value(named[2], here, variables))
                self._body(node.inside, here, variables)
            elif not node.word:
                self._action(node.text, here, variables)
        del self._conditions[outer:]

    def _block(self, node: Node, dot: Things, variables: dict[str, Things]) -> None:
        outer = len(self._conditions)
        found = self._condition(node.text, dot, variables)
        inside, other = split_else(node.inside)
        if node.word == "if":
            inner = dot
        elif node.word == "with":
            inner = found
        else:
            inner = self._elements(found)
            assigned = _ASSIGN.match(node.text)
            if assigned:
                name = assigned[2] or assigned[1]
                variables[name] = variables.get(name, NOTHING) | inner
        self._body(inside, inner, variables)
        self._body(other, dot, variables)
        del self._conditions[outer:]

    def _condition(self, text: str, dot: Things, variables: dict[str, Things]) -> Things:
        before = len(self._seen)
        found = self._action(text, dot, variables)
        # Of `.Values.a.b` the way there is no condition by itself.
        read = dict.fromkeys(self._seen[before:])
        self._conditions.append(tuple(path for path in read if not any(path == other[:-1] for other in read)))
        del self._seen[before:]
        return found

    def _action(self, text: str, dot: Things, variables: dict[str, Things]) -> Things:
        assigned = _ASSIGN.match(text)
        if assigned is None:
            return self._value(text, dot, variables)
        found = self._value(assigned[3], dot, variables)
        if assigned[2] is None:
            variables[assigned[1]] = variables.get(assigned[1], NOTHING) | found
        return found

    def _value(self, text: str, dot: Things, variables: dict[str, Things]) -> Things:
        expression = parse(text)
        return NOTHING if expression is None else self._evaluate(expression, dot, variables)

    def _evaluate(self, expression: Expression, dot: Things, variables: dict[str, Things]) -> Things:
        if isinstance(expression, Literal):
            return NOTHING
        if isinstance(expression, VariableOf):
            known = variables.get(expression.name, NOTHING)
            # What a variable was made of counts as read here, too: it is what a condition is about.
            self._seen.extend(thing.path for thing in known if isinstance(thing, At) and thing.path)
            return self._fields(known, expression.fields)
        if isinstance(expression, FieldOf):
            base = dot if expression.of is None else self._evaluate(expression.of, dot, variables)
            return self._fields(base, expression.fields)
        return self._function(expression, dot, variables)

    def _fields(self, base: Things, names: Iterable[str]) -> Things:
        found = base
        for name in names:
            found = frozenset(below for thing in found for below in self._field(thing, name))
        return found

    def _field(self, thing: Thing, name: str) -> Things:
        if isinstance(thing, Top):
            return frozenset([At(())]) if name == "Values" else NOTHING
        if isinstance(thing, At):
            if name == "AsMap" and not thing.path:
                return frozenset([thing])
            path = (*thing.path, name)
            self.reads.paths.add(path)
            self._seen.append(path)
            return frozenset([At(path)])
        if isinstance(thing, Named):
            return dict(thing.items).get(name, NOTHING)
        return NOTHING

    def _function(self, call: Call, dot: Things, variables: dict[str, Things]) -> Things:
        if call.name in {"include", "tpl"} and call.arguments:
            name = call.arguments[0]
            given = self._evaluate(call.arguments[1], dot, variables) if len(call.arguments) > 1 else NOTHING
            if call.name == "include" and isinstance(name, Literal):
                return self._call(str(name.value), given)
            self._take(self._evaluate(name, dot, variables))
            return NOTHING
        if call.name == "fail":
            self._refusal(call)
        values = [self._evaluate(argument, dot, variables) for argument in call.arguments]
        return self._applied(call, values)

    def _applied(self, call: Call, values: list[Things]) -> Things:
        name, words = call.name, [argument.value for argument in call.arguments if isinstance(argument, Literal)]
        if name in {"list", "tuple"}:
            return frozenset([Several(tuple(values))])
        if name == "dict":
            keys = [argument.value if isinstance(argument, Literal) else "" for argument in call.arguments[::2]]
            return frozenset([Named(tuple(zip(map(str, keys), values[1::2], strict=False)))])
        if name in {"index", "get", "hasKey"} and values:
            return self._indexed(values[0], words)
        if name == "dig" and values:
            # The last but one is what it gives when there is nothing.
            return self._fields(values[-1], [str(word) for word in words[: len(values) - 2]])
        if name in {"first", "last", "rest", "initial", "values"} and values:
            return self._elements(values[0])
        if name in _CHOOSING:
            return frozenset(thing for value in values for thing in value)
        if name not in _LOOKING:
            for value in values:
                self._take(value)
        return frozenset(thing for value in values for thing in value) if name in _KEEPING else NOTHING

    def _indexed(self, base: Things, words: list[str | int]) -> Things:
        found = base
        for word in words:
            if isinstance(word, int):
                found = frozenset(
                    item
                    for thing in found
                    if isinstance(thing, Several) and word < len(thing.items)
                    for item in thing.items[word]
                )
            else:
                found = self._fields(found, [word])
        if not words:
            self._take(base)
        return found

    def _call(self, name: str, dot: Things) -> Things:
        """A helper, once for each dot that it is given."""
        body = self._helpers.get(name)
        if body is None:
            self._take(dot)
            return NOTHING
        known = (name, dot)
        if known in self._done or self._depth > _DEEPEST:
            return NOTHING
        self._done[known] = NOTHING
        self._depth += 1
        self.run(body, dot)
        self._depth -= 1
        return NOTHING

    def _elements(self, things: Things) -> Things:
        found: set[Thing] = set()
        for thing in things:
            if isinstance(thing, Several):
                found.update(item for items in thing.items for item in items)
            elif isinstance(thing, At) and thing.path:
                self.reads.whole.add(thing.path)
                found.add(At((*thing.path, "*")))
        return frozenset(found)

    def _take(self, things: Things) -> None:
        """Something takes all that is there, such as `toYaml`."""
        for thing in things:
            if isinstance(thing, At) and thing.path:
                self.reads.whole.add(thing.path)
            elif isinstance(thing, Several):
                for items in thing.items:
                    self._take(items)
            elif isinstance(thing, Named):
                for _name, items in thing.items:
                    self._take(items)

    def _refusal(self, call: Call) -> None:
        words = [text for text in _literals(call.arguments) if " " in text]
        if words:
            keys = tuple(dict.fromkeys(key for keys in self._conditions for key in keys))
            self.reads.refusals.append(Refusal(message=max(words, key=len), keys=keys))


def _literals(arguments: Iterable[Expression]) -> Iterable[str]:
    for argument in arguments:
        if isinstance(argument, Literal) and isinstance(argument.value, str):
            yield argument.value
        elif isinstance(argument, Call):
            yield from _literals(argument.arguments)


#: Functions whose result is one of their arguments.
_CHOOSING = frozenset(["and", "or", "default", "coalesce", "ternary", "required"])
#: Functions that look at a value and take nothing of what is below it.
_LOOKING = frozenset(
    [
        *("eq", "ne", "lt", "le", "gt", "ge", "not", "empty", "len", "kindIs", "kindOf", "typeOf", "typeIs", "has"),
        *("quote", "squote", "toString", "int", "int64", "float64", "printf", "print", "fail", "lower", "upper"),
        *("semverCompare", "regexMatch", "contains", "hasPrefix", "hasSuffix", "b64enc", "trim", "sha256sum", "cat"),
    ]
)
#: Functions whose result has what their arguments have.
_KEEPING = frozenset(
    ["deepCopy", "mustDeepCopy", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite", "concat", "append"]
)
