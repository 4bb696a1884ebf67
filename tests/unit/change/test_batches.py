from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.change import batches
from ciliumctl.errors import UsageError
from tests.world import objects

CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}


@pytest.mark.parametrize(
    ("size", "nodes", "count"), [("3", 9, 3), ("10%", 50, 5), ("10%", 3, 1), ("34%", 9, 4), ("100%", 7, 7), ("9", 3, 9)]
)
def test_a_share_is_rounded_up_and_never_none(size: str, nodes: int, count: int) -> None:
    assert batches.number(batches.checked(size), nodes) == count


@pytest.mark.parametrize("size", ["0", "0%", "101%", "-1", "many", "10 %", ""])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="neither a number of nodes nor a share"):
        batches.checked(size)


def test_workers_come_before_the_control_plane_unless_told_otherwise() -> None:
    found = [
        objects.node("node-10"),
        objects.node("a-control", labels=CONTROL_PLANE),
        objects.node("node-9"),
        objects.node("node-1"),
    ]
    assert batches.ordered(found, "workers-first") == ["node-1", "node-9", "node-10", "a-control"]
    assert batches.ordered(found, "control-plane-first") == ["a-control", "node-1", "node-9", "node-10"]
    assert batches.ordered(found, "name") == ["a-control", "node-1", "node-9", "node-10"]


@given(st.lists(st.text(min_size=1), unique=True, max_size=60), st.integers(min_value=1, max_value=70))
def test_every_node_is_in_one_batch_in_its_order(names: list[str], size: int) -> None:
    parts = batches.split(names, size)
    assert [name for part in parts for name in part] == names
    assert all(0 < len(part) <= size for part in parts)


@given(st.lists(st.text(alphabet="ab01-", max_size=8), max_size=20))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert sorted(sorted(names, key=batches.natural)) == sorted(names)
