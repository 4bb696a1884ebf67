from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import yaml_files
from ciliumctl.errors import BadFile

# What Helm 3.22 and 4.3 make of a plain scalar, asked with a chart that prints its values.
HELM_SAYS = {
    "on": True,
    "Off": False,
    "y": True,
    "N": False,
    "tRue": "tRue",
    "12:34:56": "12:34:56",
    "1:2": "1:2",
    "0644": 420,
    "-0644": -420,
    "0o17": 15,
    "0b11": 3,
    "-0b11": -3,
    "0x1F": 31,
    "+5": 5,
    "1_000": 1000,
    "08": 8,
    "1e3": 1000,
    "1.5e3": 1500,
    "-1.5E-3": -0.0015,
    ".5": 0.5,
    "5.": 5,
    "1e400": "1e400",
    "9007199254740993": 9007199254740992,
    "2024-01-01": "2024-01-01",
    "2024-01-01T00:00:00Z": "2024-01-01T00:00:00Z",
    "~": None,
    "Null": None,
    "=": "=",
    "1.2.3": "1.2.3",
    "0x": "0x",
    "1e": "1e",
    "_1": "_1",
}


@pytest.mark.parametrize(("text", "value"), HELM_SAYS.items())
def test_a_scalar_means_what_it_means_to_helm(text: str, value: object) -> None:
    found = yaml_files.parse(f"key: {text}\n")["key"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_is_dumped_is_read_back_the_same(value: object) -> None:
    assert yaml_files.parse(yaml_files.dump({"it": value}))["it"] == value


@pytest.mark.parametrize("text", HELM_SAYS)
def test_a_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert yaml_files.parse(yaml_files.dump({"key": text})) == {"key": text}


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("good: 1\nbad: [1\n")
    with pytest.raises(BadFile, match=r"values\.yaml` is not valid YAML: .* line 3"):
        yaml_files.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        yaml_files.load(tmp_path / "nothing.yaml")


def test_json_is_yaml_too() -> None:
    value = {"a": [1, 2.5, "x", None, True], "b": {"c": "1e3"}}
    assert yaml_files.parse(json.dumps(value)) == value


def test_empty_documents_are_left_out() -> None:
    assert yaml_files.parse_all("a: 1\n---\n# nothing\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
