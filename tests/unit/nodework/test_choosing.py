from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.nodework.choosing import affinity, choose
from tests.world import objects


def node(name: str, **more: Any) -> dict[str, Any]:
    return objects.node(name, **more)


def test_all_linux_nodes_take_part() -> None:
    choice = choose([node("b"), node("a")])
    assert (choice.names, choice.others) == (("a", "b"), ())


@pytest.mark.parametrize(
    ("labels", "annotations", "reason"),
    [
        ({"type": "virtual-kubelet"}, {}, "virtual"),
        ({"eks.amazonaws.com/compute-type": "fargate"}, {}, "virtual"),
        ({"kubernetes.io/os": "windows"}, {}, "other-system"),
        ({}, {"kwok.x-k8s.io/node": "fake"}, "simulated"),
    ],
)
def test_a_node_where_nothing_can_run_is_skipped_with_its_reason(
    labels: dict[str, str], annotations: dict[str, str], reason: str
) -> None:
    choice = choose([node("odd", labels=labels, annotations=annotations), node("good")])
    assert choice.names == ("good",)
    (told,) = choice.others
    assert (told.node, told.outcome, told.reason) == ("odd", "skipped", reason)


def test_a_virtual_node_is_known_by_its_taint() -> None:
    virtual = node("aci")
    virtual["spec"]["taints"] = [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]
    assert choose([virtual]).others[0].reason == "virtual"


def test_a_windows_node_is_known_without_labels() -> None:
    windows = node("win")
    windows["status"]["nodeInfo"]["operatingSystem"] = "windows"
    assert choose([windows]).others[0].reason == "other-system"


def test_nobody_waits_for_a_node_whose_kubelet_is_silent() -> None:
    silent = node("gone")
    silent["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting"}]
    (told,) = choose([silent]).others
    assert (told.outcome, told.reason) == ("failed", "not-ready")
    assert "stopped posting" in told.detail


def test_a_node_that_only_lacks_a_cni_takes_part() -> None:
    assert choose([node("fresh", ready=False)]).names == ("fresh",)


def test_a_name_that_no_node_has_is_told() -> None:
    choice = choose([node("a"), node("b")], only=["b", "c"])
    assert choice.names == ("b",)
    assert [(one.node, one.reason) for one in choice.others] == [("c", "unknown")]
    assert choice.apart == ("a",)


def test_few_others_are_left_out_by_name_and_few_chosen_are_named() -> None:
    nodes = [node(f"n{number}") for number in range(5)]
    key = ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    most = affinity(choose(nodes, only=["n0", "n1", "n2", "n3"]))[key[0]][key[1]]["nodeSelectorTerms"]
    assert most == [
        {
            "matchExpressions": [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}],
            "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n4"]}],
        }
    ]
    few = affinity(choose(nodes, only=["n0"]))[key[0]][key[1]]["nodeSelectorTerms"]
    assert few == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n0"]}]}]
