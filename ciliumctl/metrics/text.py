"""The text that `/metrics` answers with, in Prometheus' own format and in OpenMetrics'.

Both are lines of `name{label="value",…} number`, with an optional time; OpenMetrics adds exemplars after ` # `, and
ends with `# EOF`. Sources: prometheus/docs `content/docs/instrumenting/exposition_formats.md`; OpenMetrics 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# UTF-8 names (Prometheus 3) are quoted, and the name of the metric then stands among the labels.
_LABEL = re.compile(r'\s*(?:([a-zA-Z_][a-zA-Z0-9_.]*)|"((?:[^"\\]|\\.)*)")\s*')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPE = re.compile(r"\\[\\\"n]")


class Malformed(ValueError):
    """A line is no metric; the message has its number and its beginning."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number: of a histogram each bucket, its sum and its count is one."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """All that one program says at one moment. `types` and `helps` are by the name of the family."""

    samples: tuple[Sample, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    helps: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Iterator[Sample]:
        """The samples of one name."""
        return (sample for sample in self.samples if sample.name == name)

    def family(self, name: str) -> str:
        """The family that a sample's name belongs to: of `x_bucket` it is `x`, when that is a known one."""
        if name in self.types:
            return name
        for suffix in ("_bucket", "_sum", "_count", "_total", "_created"):
            stem = name.removesuffix(suffix)
            if stem != name and stem in self.types:
                return stem
        return name


def parse(text: str) -> Exposition:
    """What a text says. Raises `Malformed` for the first line that is none."""
    samples: list[Sample] = []
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r")
        if not stripped:
            continue
        if stripped.startswith("#"):
            _comment(stripped, types, helps)
            continue
        try:
            samples.append(_sample(stripped))
        except ValueError as error:
            raise Malformed(f"line {number} is no metric ({error}): {stripped[:60]}") from None
    return Exposition(samples=tuple(samples), types=types, helps=helps)


def _comment(line: str, types: dict[str, str], helps: dict[str, str]) -> None:
    words = line.split(None, 3)
    if len(words) == 4 and words[1] == "TYPE":
        types[_unquoted(words[2])] = words[3]
    elif len(words) == 4 and words[1] == "HELP":
        helps[_unquoted(words[2])] = _unescaped(words[3])


def _sample(line: str) -> Sample:
    found = _NAME.match(line)
    name, at = (found[0], found.end()) if found else ("", 0)
    while at < len(line) and line[at] in " \t":
        at += 1
    labels: dict[str, str] = {}
    if line[at : at + 1] == "{":
        quoted, at = _labels(line, at + 1, labels)
        name = name or quoted
    if not name:
        raise ValueError("it has no name")
    # An exemplar is about one event, and is not what is counted.
    words = line[at:].split(" # ", 1)[0].split()
    if not 1 <= len(words) <= 2:
        raise ValueError("it has no value")
    if len(words) == 2:
        float(words[1])
    return Sample(name, labels, _number(words[0]))


def _labels(line: str, at: int, labels: dict[str, str]) -> tuple[str, int]:
    """Read up to the closing brace; returns a metric's quoted name, if one is there, and where it goes on."""
    name = ""
    while True:
        if line[at:].lstrip().startswith("}"):
            return name, line.index("}", at) + 1
        key = _LABEL.match(line, at)
        if key is None:
            raise ValueError("a label has no name")
        at = key.end()
        word = key[1] if key[1] is not None else _unescaped(key[2])
        if line[at : at + 1] == "=":
            value = _VALUE.match(line, at + 1 + (len(line[at + 1 :]) - len(line[at + 1 :].lstrip())))
            if value is None:
                raise ValueError("a label has no value")
            labels[word], at = _unescaped(value[1]), value.end()
        elif key[2] is not None and not name:
            name = word
        else:
            raise ValueError("a label has no value")
        if line[at : at + 1] == ",":
            at += 1
        elif line[at : at + 1] != "}":
            raise ValueError("the labels do not end")


def _number(word: str) -> float:
    # Python also takes 1_000 and `infinity`, which no exporter writes.
    if "_" in word:
        raise ValueError(f"`{word}` is no number")
    return float(word)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text) if "\\" in text else text


def _unquoted(word: str) -> str:
    return _unescaped(word[1:-1]) if len(word) > 1 and word[0] == word[-1] == '"' else word
