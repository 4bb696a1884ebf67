from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.change.overlay import overlay

SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), st.text("abc", max_size=3))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=10,
)
SPECS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), TREES, max_size=4)


def item(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x"}, "spec": spec}


@given(SPECS, SPECS)
def test_an_object_as_the_old_manifest_says_becomes_what_the_new_one_says(old: Any, new: Any) -> None:
    assert overlay(item(old), item(old), item(new)) == item(new)


@given(SPECS, SPECS)
def test_laying_the_same_over_twice_changes_nothing_more(live: Any, new: Any) -> None:
    once = overlay(item(live), item(new), item(new))
    assert overlay(once, item(new), item(new)) == once


@given(SPECS)
def test_what_others_added_stays(new: Any) -> None:
    live = item({**copy.deepcopy(new), "theirs": {"x": 1}})
    assert overlay(live, item(new), item(new))["spec"]["theirs"] == {"x": 1}


def container(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def pods(*containers: dict[str, Any]) -> dict[str, Any]:
    return item({"template": {"spec": {"containers": list(containers)}}})


def test_containers_are_told_apart_by_name_and_keep_the_server_s_defaults() -> None:
    live = pods(container("a", image="one", terminationMessagePath="/dev/x"), container("injected", image="z"))
    changed = overlay(live, pods(container("a", image="one")), pods(container("a", image="two")))
    assert changed == pods(
        container("a", image="two", terminationMessagePath="/dev/x"), container("injected", image="z")
    )


def test_a_container_that_only_the_old_manifest_has_goes() -> None:
    live = pods(container("a", image="one"), container("b", image="one"))
    changed = overlay(live, live, pods(container("a", image="one")))
    assert changed == pods(container("a", image="one"))


def test_ports_are_told_apart_by_number_and_protocol() -> None:
    live = pods(
        container("a", ports=[{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}])
    )
    new = pods(container("a", ports=[{"containerPort": 53}]))
    ports = overlay(live, new, new)["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert {"containerPort": 53, "protocol": "TCP"} in ports


def test_a_null_deletes_when_helm_patches_and_says_nothing_when_the_server_applies() -> None:
    live = item({"annotations": {"restarted": "yes"}})
    new = item({"annotations": None})
    assert overlay(live, new, new)["spec"] == {}
    assert overlay(live, new, new, server_side=True) == live


def test_lists_of_custom_resources_are_replaced_whole() -> None:
    def custom(*names: str) -> dict[str, Any]:
        return {"apiVersion": "cilium.io/v2", "kind": "X", "spec": {"containers": [{"name": name} for name in names]}}

    assert overlay(custom("a", "b"), custom("a"), custom("c")) == custom("c")


def test_the_status_is_the_cluster_s_own() -> None:
    live = {**item({"a": 1}), "status": {"ready": 3}}
    assert overlay(live, item({}), {**item({"a": 2}), "status": {}})["status"] == {"ready": 3}
