from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.values.paths import difference, get, join, leaves, merge, put, remove, split

KEYS = st.text(alphabet="abc.", min_size=1, max_size=3).filter(lambda key: not key.startswith("\\"))
VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(
        KEYS, st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2), max_size=3
    ),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_a_path_survives_being_written_and_read(keys: list[str]) -> None:
    assert split(join(tuple(keys))) == tuple(keys)


@given(VALUES)
def test_leaves_put_back_give_the_same_values(values: dict[str, Any]) -> None:
    rebuilt: dict[str, Any] = {}
    for path, value in leaves(values):
        put(rebuilt, path, value)
    assert rebuilt == values


@given(VALUES, VALUES)
def test_the_upper_layer_wins_everywhere(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    merged = merge(lower, upper)
    for path, value in leaves(upper):
        if value != {}:
            assert get(merged, path) == value


@given(VALUES, VALUES)
def test_merging_changes_neither_layer(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    before = repr((lower, upper))
    merge(lower, upper)["new"] = 1
    assert repr((lower, upper)) == before


def test_lists_are_replaced_and_not_joined() -> None:
    assert merge({"a": [1, 2]}, {"a": [3]}) == {"a": [3]}


def test_removing_the_last_value_removes_its_mappings() -> None:
    values: dict[str, Any] = {"a": {"b": {"c": 1}}, "d": 2}
    remove(values, ("a", "b", "c"))
    assert values == {"d": 2}
    remove(values, ("not", "there"))
    assert values == {"d": 2}


def test_a_difference_names_what_was_added_changed_and_removed() -> None:
    assert difference({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 1, "y": 3}, "c": 1}) == ["a.y", "b", "c"]
    assert difference({"a": None}, {}) == ["a"]
