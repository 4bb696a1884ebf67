from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.errors import BadFile
from ciliumctl.values.layers import Layer, of_file, trace


def test_a_file_s_layer_knows_the_line_of_each_value(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("# first\na:\n  b: 1\n  c:\n    - x\nd: 2\n")
    layer = of_file(path, name="my.yaml")
    assert layer.values == {"a": {"b": 1, "c": ["x"]}, "d": 2}
    assert layer.where(("a", "b")) == "my.yaml:3"
    assert layer.where(("d",)) == "my.yaml:6"


def test_each_value_is_traced_to_the_last_layer_that_set_it() -> None:
    layers = [
        Layer(origin="chart", values={"a": {"x": 1, "y": 1}, "b": 1}),
        Layer(origin="file", values={"a": {"x": 2}}, lines={("a", "x"): 4}),
        Layer(origin="--set", values={"a": {"x": 3}}),
    ]
    traced = {value.key: value for value in trace(layers, {"a": {"x": 3, "y": 1}, "b": 1})}
    assert traced["a.x"].origin == "--set"
    assert traced["a.x"].hides == ("chart", "file:4")
    assert traced["a.y"].origin == "chart"
    assert traced["b"].origin == "chart"


def test_a_mapping_put_in_place_of_a_value_is_traced_too() -> None:
    layers = [Layer(origin="chart", values={"a": 1}), Layer(origin="file", values={"a": {"b": 2}})]
    (value,) = trace(layers, {"a": {"b": 2}})
    assert (value.key, value.origin) == ("a.b", "file")


@pytest.mark.parametrize(("text", "what"), [("- 1\n", "a list"), ("text\n", "a text"), ("3\n", "a number")])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(BadFile, match=what):
        of_file(path)


def test_an_empty_file_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("# nothing\n")
    assert of_file(path).values == {}
