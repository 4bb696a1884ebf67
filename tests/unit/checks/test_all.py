from __future__ import annotations

from dataclasses import fields

import pytest

from ciliumctl import checks
from ciliumctl.checks._model import Check
from ciliumctl.checks._scene import Scene

EVERY = checks.all_of_them()
BY_ID = {check.id: check for check in EVERY}


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.id)
def test_a_check_is_whole(check: Check) -> None:
    assert check.category in checks.CATEGORIES
    assert check.title[0] not in " ."
    assert not check.title.endswith(".")
    assert check.why.endswith(".")
    assert check.remedy.endswith(".")
    assert set(check.reads) <= {field.name for field in fields(Scene)}
    assert all(BY_ID[name].fatal for name in check.after), "only what is fatal may be waited for"
    assert check.docs.endswith(f"#{check.id.lower()}")


def test_ids_are_taken_once() -> None:
    assert len(BY_ID) == len(EVERY)


def test_what_is_fatal_comes_before_what_hangs_on_it() -> None:
    order = [check.id for check in EVERY]
    assert all(order.index(name) < order.index(check.id) for check in EVERY for name in check.after)
