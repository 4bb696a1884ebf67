from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ciliumctl.values import lint
from ciliumctl.values.lint import documents, fixing
from ciliumctl.values.lint.checking import layer_findings
from tests.unit.values.lint.charts import chart, knowing_all

YAML_LIKE = st.text(alphabet="ab:-#{}[]&*!|>'\"\n ?,%@`~<1.eyn\t\r\u2028é", max_size=60)


def problems(text: str | bytes) -> list[tuple[str, int]]:
    content = text.encode() if isinstance(text, str) else text
    return [(finding.code, finding.line) for finding in documents.read(content, "x.yaml").problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n", []),
        ("", [("CV004", 0)]),
        ("# only words\n", [("CV004", 0)]),
        ("---\n...\n", [("CV004", 0)]),
        ("- a\n", [("CV002", 1)]),
        ("text\n", [("CV002", 1)]),
        ("a: [\n", [("CV001", 2)]),
        ("a: 1\nb: 2\na: 3\n", [("CV003", 3)]),
        ("a:\n  b: 1\n  b: 2\n", [("CV003", 3)]),
        ("a: 1\n---\nb: 2\n", [("CV005", 3)]),
        ("a: &a {b: *a}\n", [("CV001", 0)]),
        (b"\xff\xfea", [("CV001", 0)]),
        (b"a: \x00\n", [("CV001", 0)]),
        ("a: !!python/object:os.system x\n", [("CV001", 1)]),
    ],
)
def test_what_is_wrong_with_a_file_itself_is_told_with_its_line(
    text: str | bytes, expected: list[tuple[str, int]]
) -> None:
    assert problems(text) == expected


def test_aliases_that_make_too_much_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert problems("\n".join(lines)) == [("CV001", 0)]


def test_a_large_file_without_aliases_is_read() -> None:
    assert problems("a:\n" + "".join(f"  k{n}: x\n" for n in range(105_000))) == []


def test_values_from_a_merge_key_have_the_line_where_they_stand() -> None:
    document = documents.read(b"x: &x\n  one: 1\nz:\n  <<: *x\n  two: 2\n", "x.yaml")
    assert document.layer.values["z"] == {"one": 1, "two": 2}
    assert document.layer.lines[("z", "one")] == 2
    assert document.layer.lines[("z", "two")] == 5


def test_keys_are_texts_as_helm_makes_them() -> None:
    assert documents.read(b"7: a\ny: b\nnull: c\n", "x").layer.values == {"7": "a", "true": "b", "null": "c"}


@given(st.binary(max_size=80) | YAML_LIKE.map(str.encode))
@example(b"? [a]\n: b\n")
@example(b"a: *b\n")
@example(b"a: 1e999\nb: 0x\n")
@example(b"<<: 1\n")
@example(b"global: 1\nhubble-ui: []\noperator: null\n")
@example(b"{" * 2000)
@example(b"- " * 2000)
def test_lint_takes_any_bytes(content: bytes) -> None:
    document = documents.read(content, "x.yaml")
    for which in (chart(), knowing_all()):
        lint.check([document.layer], which, problems=document.problems, coming_from="1.15.6")
    lint.translate(document.layer.values, "1.20.0")
    if document.readable and not document.problems:
        facts = lint.Facts(knowing_all())
        fixing.fix(document, lambda layer: layer_findings(layer, facts, layer.values))
