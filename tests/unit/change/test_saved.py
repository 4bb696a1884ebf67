from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import charts
from ciliumctl.change import saved
from ciliumctl.change.saved import Saved
from ciliumctl.errors import BadFile, StalePlan

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text("xyz.", max_size=4), st.lists(st.integers(), max_size=2)
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.text("ab.0", min_size=1, max_size=2), inner, max_size=3), st.lists(inner, max_size=3)
    ),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict))

PLAN = Saved(
    made="2026-01-01T00:00:00Z",
    by="ciliumctl 0",
    context="prod",
    cluster="uid-1",
    namespace="kube-system",
    release="cilium",
    revision=3,
    from_version="1.15.6",
    version="1.16.19",
    chart=charts.Request(version="1.16.19"),
    installed_chart=False,
    chart_digest="c",
    values_digest=saved.digest({"a": 1}),
    result_digest="r",
    manifest_digest="m",
    objects={"ConfigMap kube-system/cilium-config": "1"},
    unset=[["a"]],
    put=[[["b", "c.d"], {"e": [1]}]],
    worst="interruption",
)


@given(VALUES, VALUES)
def test_the_difference_of_values_makes_the_new_ones_of_the_old_ones(before: Any, after: Any) -> None:
    unset, put = json.loads(json.dumps(saved.delta(before, after)))
    assert saved.digest(saved.with_delta(before, unset, put)) == saved.digest(after)


def test_the_elements_beside_one_that_is_set_stay_in_the_cluster() -> None:
    token, old, new = {"name": "A", "value": "very-secret"}, {"name": "B", "value": "1"}, {"name": "B", "value": "2"}
    before, after = {"extraEnv": [token, old]}, {"extraEnv": [token, new, {"name": "C"}]}
    unset, put = saved.delta(before, after)
    assert "very-secret" not in json.dumps([unset, put])
    assert saved.with_delta(before, unset, put) == after


@given(VALUES)
def test_the_same_values_have_no_difference(values: Any) -> None:
    assert saved.delta(values, values) == ([], [])


def test_a_plan_is_read_as_it_was_written_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    saved.write(path, PLAN)
    assert saved.read(path) == PLAN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_plan_that_was_edited_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    saved.write(path, PLAN)
    path.write_text(path.read_text().replace('"revision": 3', '"revision": 4'))
    with pytest.raises(BadFile, match="was changed after it was saved"):
        saved.read(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "kind: SavedPlan", "\x00\xff", '{"kind": "Plan"}'])
def test_another_file_is_no_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadFile, match="is no saved plan"):
        saved.read(path)


def test_a_plan_of_another_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"kind": "SavedPlan", "format": 99, "plan": {}}))
    with pytest.raises(BadFile, match="format 99"):
        saved.read(path)


def test_a_plan_without_one_of_its_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    body = {"chart": {"version": "", "chart": "", "repository": ""}}
    path.write_text(
        json.dumps({"kind": "SavedPlan", "format": saved.FORMAT, "digest": saved.digest(body), "plan": body})
    )
    with pytest.raises(BadFile, match="lacks a part"):
        saved.read(path)


def test_a_plan_that_cannot_be_written_or_read_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        saved.read(tmp_path / "none.json")
    with pytest.raises(BadFile, match="cannot be written"):
        saved.write(tmp_path, PLAN)


def test_a_release_that_moved_on_makes_a_plan_stale() -> None:
    saved.check_release(PLAN, revision=3, config={"a": 1})
    with pytest.raises(StalePlan, match="revision 4, not 3"):
        saved.check_release(PLAN, revision=4, config={"a": 1})
    with pytest.raises(StalePlan, match="values of revision 3"):
        saved.check_release(PLAN, revision=3, config={"a": 2})


def test_another_chart_of_the_same_name_makes_a_plan_stale(tmp_path: Path) -> None:
    files = {"Chart.yaml": b"{name: cilium, version: 1.16.19}", "templates/a.yaml": b"one"}
    chart = charts.Chart(path=tmp_path, source="here", files=files)
    plan = replace(PLAN, chart_digest=saved.digest_of_chart(chart))
    saved.check_chart(plan, chart)
    with pytest.raises(StalePlan, match="not the one that it was made with"):
        saved.check_chart(plan, replace(chart, files={**files, "templates/a.yaml": b"two"}))
