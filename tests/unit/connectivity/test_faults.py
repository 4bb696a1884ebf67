"""The faults of tests/e2e name scenarios that there are; what they do is shown on a real cluster only."""

from __future__ import annotations

import re

import pytest

from ciliumctl.connectivity.scenarios import all_of_them
from tests.e2e.faults import FAULTS, Fault

EVERY = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@EVERY
def test_a_fault_names_scenarios_that_must_see_it_and_others_that_must_not(fault: Fault) -> None:
    names = {one.name for one in all_of_them()}
    assert fault.fails
    assert fault.passes
    assert {*fault.fails, *fault.passes} <= names
    assert not {*fault.fails} & {*fault.passes}


@EVERY
def test_a_fault_s_place_is_held_against_the_report(fault: Fault) -> None:
    assert fault.says
    for words in fault.says:
        assert not re.search(words, ""), "it says nothing"
