from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.values.lint import ranges

NUMBERS = st.tuples(st.integers(1, 2), st.integers(0, 30), st.integers(0, 30))


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("1.15.7", "1.15.0-1.15.7, 1.16.0-1.16.1", True),
        ("1.15.8", "1.15.0-1.15.7, 1.16.0-1.16.1", False),
        ("1.16.1", "1.15.0-1.15.7, 1.16.0-1.16.1", True),
        ("1.18.99", "1.14-1.18", True),
        ("1.19.0", "1.14-1.18", False),
        ("v1.20.0", ">=1.20", True),
        ("1.21.0-pre.0", ">=1.21", True),
        ("1.13.18", "<=1.13", True),
        ("1.13.0", "<1.13", False),
        ("1.12.9", "<1.13", True),
        ("1.16.1", "<1.16.2", True),
        ("1.15", "1.15", True),
        ("new", ">=1.0", False),
    ],
)
def test_a_version_is_in_a_range_or_not(version: str, wanted: str, expected: bool) -> None:  # noqa: FBT001
    assert ranges.within(version, wanted) is expected


@pytest.mark.parametrize("wanted", ["", "1", ">1.2", "1.2-", "latest"])
def test_what_is_no_range_is_told(wanted: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        ranges.within("1.15.0", wanted)


@given(NUMBERS, NUMBERS)
def test_of_two_versions_one_is_older_or_they_are_the_same(
    left: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    one, other = (".".join(map(str, version)) for version in (left, right))
    assert [ranges.older(one, other), ranges.older(other, one)].count(True) == (left != right)
