from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import charts
from ciliumctl.change import route
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Downgrade, UpgradePath, UsageError
from tests.world.cluster import POLICIES, FakeCluster

ENTRIES = [
    charts.Entry(version=version, url="", digest="")
    for version in ("1.20.0", "1.19.6", "1.18.12", "1.18.0", "1.17.3", "1.17.4-rc.1", "1.16.19", "1.15.19", "1.15.6")
]


def chart(version: str) -> charts.Chart:
    return charts.Chart(path=Path(), source="", files={"Chart.yaml": f"{{name: cilium, version: {version}}}".encode()})


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [
        ("1.15.6", "1.15.19", []),
        ("1.15.6", "1.16.0", []),
        ("1.15.6", "1.18.0", [(1, 16), (1, 17)]),
        ("1.18.0", "1.15.6", [(1, 17), (1, 16)]),
        ("1.18.0", "2.0.0", []),
    ],
)
def test_the_minors_between_are_named_in_the_order_they_are_passed(
    before: str, after: str, between: list[tuple[int, int]]
) -> None:
    assert route.between(before, after) == between


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        ("1.15.6", "1.20.0", ["1.15.19", "1.16.19", "1.17.3", "1.18.12", "1.19.6"]),
        ("1.15.19", "1.16.19", []),
        ("1.15.6", "1.15.19", []),
        ("1.15.6", "1.16.19", ["1.15.19"]),
        ("1.18.12", "1.15.19", ["1.17.3", "1.16.19"]),
    ],
)
def test_the_automatic_way_takes_the_newest_patch_of_each_minor(before: str, after: str, way: list[str]) -> None:
    assert route.automatic(before, after, ENTRIES) == way


def test_a_minor_that_the_repository_lacks_is_refused_unless_it_may_be_left_out() -> None:
    without = [entry for entry in ENTRIES if not entry.version.startswith("1.17")]
    assert route.automatic("1.16.19", "1.18.12", without) == []
    with pytest.raises(UpgradePath, match=r"1\.16\.19 to 1\.18\.12 leaves out 1\.17"):
        route.check("1.16.19", "1.18.12", route.Allowed())
    route.check("1.16.19", "1.18.12", route.Allowed(skip=True))


def test_an_older_version_needs_a_word_and_more_than_one_minor_back_another() -> None:
    with pytest.raises(Downgrade) as refused:
        route.check("1.16.19", "1.15.19", route.Allowed())
    assert "only one minor back is tested" in refused.value.message
    assert "ciliumctl rollback" in refused.value.hint
    route.check("1.16.19", "1.15.19", route.Allowed(downgrade=True))
    with pytest.raises(UpgradePath):
        route.check("1.18.12", "1.16.19", route.Allowed(downgrade=True))


def test_what_is_behind_already_is_left_out_so_that_the_same_command_goes_on() -> None:
    way = [chart(version) for version in ("1.15.19", "1.16.19", "1.17.3", "1.18.12")]
    assert [one.version for one in route.ahead("1.15.6", way)] == ["1.15.19", "1.16.19", "1.17.3", "1.18.12"]
    assert [one.version for one in route.ahead("1.16.19", way)] == ["1.17.3", "1.18.12"]
    assert [one.version for one in route.ahead("1.18.12", way)] == ["1.18.12"]


def test_versions_that_are_not_in_order_are_no_way() -> None:
    with pytest.raises(UsageError, match="not in order"):
        route.ahead("1.15.6", [chart("1.18.12"), chart("1.16.19"), chart("1.19.6")])
    with pytest.raises(UsageError, match="not in order"):
        route.ahead("1.15.6", [chart("1.19.6"), chart("1.18.12")])


def test_a_stop_is_a_version_or_a_chart() -> None:
    assert route.stops(["1.16, 1.17", "./c.tgz"]) == ("1.16", "1.17", "./c.tgz")
    assert route.request("1.16", "/charts") == charts.Request(version="1.16", repository="/charts")
    assert route.request("v1.16.19-rc.0", "/charts").version == "v1.16.19-rc.0"
    assert route.request("./c.tgz", "/charts") == charts.Request(chart="./c.tgz", repository="/charts")
    assert route.request("oci://r/cilium", "/charts").chart == "oci://r/cilium"
    with pytest.raises(UsageError):
        route.stops(["auto,1.16"])


@given(st.lists(st.sampled_from([entry.version for entry in ENTRIES]), min_size=2, max_size=2, unique=True))
def test_every_automatic_way_between_complete_minors_is_one_that_is_tested(ends: list[str]) -> None:
    before, after = ends
    way = [before, *route.automatic(before, after, ENTRIES), after]
    for one, other in itertools.pairwise(way):
        route.check(one, other, route.Allowed(downgrade=True))


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_policies_for_names_need_1_15_6_before_1_16(cluster: FakeCluster, kube: Kube) -> None:
    route.check_names(kube, "1.15.2", "1.16.19")
    cluster.kinds += POLICIES
    by_name = {"egress": [{"toFQDNs": [{"matchName": "example.com"}]}]}
    cluster.add(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "harmless", "namespace": "web"},
            "spec": {"egress": [{"toPorts": []}]},
        },
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumClusterwideNetworkPolicy",
            "metadata": {"name": "by-name"},
            "specs": [by_name],
        },
    )
    with pytest.raises(UpgradePath, match="`by-name`") as refused:
        route.check_names(kube, "1.15.2", "1.16.19")
    assert "--version 1.15`" in refused.value.hint
    route.check_names(kube, "1.15.6", "1.16.19")
    route.check_names(kube, "1.15.2", "1.15.19")
