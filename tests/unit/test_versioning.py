from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import versioning


@pytest.mark.parametrize(
    ("version", "floor", "older"),
    [
        ("5.4.0-150-generic", "5.4", False),
        ("5.3.18-57-default", "5.4", True),
        ("4.19.56", "4.19.57", True),
        ("4.19", "4.19.57", True),
        ("6.1.0-32-amd64", "5.10", False),
        ("5.10.219", "5.10", False),
        ("kwok-v0.8.0", "5.10", False),
    ],
)
def test_versions_are_compared_number_by_number(version: str, floor: str, *, older: bool) -> None:
    assert versioning.below(version, floor) is older


@pytest.mark.parametrize(
    ("constraint", "version", "fine"),
    [
        (">= 1.21.0-0", "1.33.1", True),
        (">= 1.21.0-0", "v1.21.0", True),
        (">= 1.21.0-0", "1.20.15-eks-1", False),
        (">=1.21.0-0, <1.30.0", "1.30.0", False),
        ("~1.2", "1.33.1", True),
        ("", "1.33.1", True),
    ],
)
def test_a_charts_demand_lets_in_what_it_says(constraint: str, version: str, *, fine: bool) -> None:
    assert versioning.accepts(constraint, version) is fine


@given(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)))
def test_no_version_is_older_than_itself(parts: tuple[int, int, int]) -> None:
    version = ".".join(map(str, parts))
    assert not versioning.below(version, version)
    assert versioning.accepts(f">= {version}-0", version)


@given(st.text(max_size=20))
def test_any_text_may_stand_where_a_version_should(text: str) -> None:
    versioning.numbers(text)
    versioning.below(text, "1.2")
    versioning.accepts(text, "1.33.1")


def test_minors_left_out_are_named() -> None:
    assert versioning.between(versioning.minor_of("1.15.6"), versioning.minor_of("1.18.12")) == [(1, 16), (1, 17)]
    assert versioning.between(versioning.minor_of("1.15.6"), versioning.minor_of("1.16.19")) == []


@pytest.mark.parametrize(
    ("constraint", "kubernetes", "yes"),
    [
        (">= 1.21.0-0", "v1.34.4", True),
        (">= 1.21.0-0", "v1.20.15", False),
        (">= 1.21.0-0", "v1.21.0-eks-123", True),
        (">= 1.16.0-0, < 1.30", "v1.30.0", False),
        ("< 1.20 || >= 1.30.0", "v1.30.0+k3s1", True),
        ("", "v1.30.0", True),
        (">= 1.21.0-0", "strange", True),
    ],
)
def test_a_charts_word_on_kubernetes_is_understood(constraint: str, kubernetes: str, *, yes: bool) -> None:
    assert versioning.accepts(constraint, kubernetes) is yes


@pytest.mark.parametrize(("text", "expected"), [("1.16.3", (1, 16)), ("v1.9.0-rc.1", (1, 9)), ("nonsense", (0, 0))])
def test_a_version_s_minor(text: str, expected: tuple[int, int]) -> None:
    assert versioning.minor_of(text) == expected
