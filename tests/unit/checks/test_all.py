from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import checks
from ciliumctl.checks._model import Check
from ciliumctl.checks._scene import Scene, ServiceRanges, Taint
from tests.unit.checks.scenes import installed, node, scene

KINDS = ("DaemonSet", "Deployment", "CronJob")
SERVICES = ServiceRanges(ranges=("10.96.0.0/12", "fd00::/112"), source="a test")
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


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.0/8", "fd00::/104"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("mode", "operator", "exclusive", "chainingMode", "enabled", "tls")
POOL = (
    "clusterPoolIPv4PodCIDRList",
    "clusterPoolIPv4MaskSize",
    "clusterPoolIPv6PodCIDRList",
    "clusterPoolIPv6MaskSize",
)
INNER = st.dictionaries(st.sampled_from(KEYS), JSON | st.dictionaries(st.sampled_from(POOL), JSON), max_size=4)
TOP = ("ipam", "cni", "ipv4", "ipv6", "hubble", "kubeProxyReplacement", "k8sServiceHost", "k8sServicePort")


@given(st.dictionaries(st.sampled_from(TOP), JSON | INNER), st.lists(JSON, max_size=2))
def test_no_check_stumbles_over_any_values_or_manifest(values: dict[str, Any], items: list[Any]) -> None:
    manifest = tuple(
        {"kind": kind, "metadata": {"name": "cilium-operator"}, "spec": item} for item in items for kind in KINDS
    )
    ours = Taint(key="a", value="b", effect="NoSchedule")
    there = (node(addresses=("10.0.0.1", "fd00::1", "name"), pod_ranges=("10.1.0.0/24", "?"), taints=(ours,)),)
    look_at = scene(
        values=values, nodes=there, manifest=manifest, existing=installed("1.15.6"), service_ranges=SERVICES
    )
    for check in EVERY:
        check.look(look_at)
