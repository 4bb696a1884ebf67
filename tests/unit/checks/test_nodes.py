from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.checks._scene import Taint
from tests.unit.checks.scenes import installed, judge, node, nodes, scene

NO_CNI = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized"
CONTROL_PLANE = Taint(key="node-role.kubernetes.io/control-plane", value="", effect="NoSchedule")


def operator(replicas: int = 2, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "cilium-operator"},
        "spec": {"replicas": replicas, "template": {"spec": spec}},
    }


def agent(**spec: Any) -> dict[str, Any]:
    return {"kind": "DaemonSet", "metadata": {"name": "cilium"}, "spec": {"template": {"spec": spec}}}


def test_a_node_that_lacks_only_a_network_is_good_before_cilium_and_bad_with_it() -> None:
    waiting = node(ready=False, reason="KubeletNotReady", message=NO_CNI)
    assert judge("CIL-NODE-001", scene(nodes=(waiting,))).outcome == "passed"
    found = judge("CIL-NODE-001", scene(nodes=(waiting,), existing=installed("1.18.12")))
    assert (found.outcome, found.findings[0].object) == ("warning", "Node//one")


def test_a_node_whose_kubelet_is_gone_is_named() -> None:
    gone = node("two", ready=False, reason="NodeStatusUnknown", message="Kubelet stopped posting node status.")
    found = judge("CIL-NODE-001", scene(nodes=(node(), gone)))
    assert found.message == "1 node of 2 not ready"
    assert "kubectl describe node two" in found.hint


@pytest.mark.parametrize(
    ("version", "kernel", "outcome"),
    [
        ("1.15.6", "4.19.57", "passed"),
        ("1.15.6", "4.19.56", "failed"),
        ("1.15.6", "4.18.0-80.el8.x86_64", "passed"),
        ("1.16.19", "4.19.200", "failed"),
        ("1.17.0", "5.4.0-150-generic", "passed"),
        ("1.17.0", "4.18.0-372.9.1.el8.x86_64", "passed"),
        ("1.18.12", "5.4.0-150-generic", "failed"),
        ("1.18.12", "5.10.0", "passed"),
        ("1.18.12", "4.18.0-372.9.1.el8.x86_64", "failed"),
        ("1.18.12", "4.18.0-553.5.1.el8_10.x86_64", "passed"),
        ("1.30.0", "5.4.0", "failed"),
        ("1.18.12", "6.1.0-32-cloud-amd64", "passed"),
        ("1.18.12", "kwok-v0.8.0", "skipped"),
    ],
)
def test_a_kernel_is_held_against_what_the_version_needs(version: str, kernel: str, outcome: str) -> None:
    assert judge("CIL-NODE-002", scene(version, nodes=(node(kernel=kernel),))).outcome == outcome


def test_one_old_kernel_among_many_is_named() -> None:
    found = judge("CIL-NODE-002", scene(nodes=(*nodes(3, kernel="6.1.0"), node("old", kernel="4.19.0"))))
    assert [finding.object for finding in found.findings] == ["Node//old"]
    assert found.message == "1 node of 4 below 5.10, which Cilium 1.18 needs"


@pytest.mark.parametrize(
    ("architecture", "outcome"), [("amd64", "passed"), ("arm64", "passed"), ("riscv64", "failed"), ("", "skipped")]
)
def test_only_two_architectures_have_images(architecture: str, outcome: str) -> None:
    assert judge("CIL-NODE-003", scene(nodes=(node(architecture=architecture),))).outcome == outcome


@pytest.mark.parametrize(
    ("system", "outcome"),
    [
        ("Ubuntu 22.04.4 LTS", "passed"),
        ("Ubuntu 18.04.6 LTS", "warning"),
        ("Debian GNU/Linux 12 (bookworm)", "passed"),
        ("Debian GNU/Linux 9 (stretch)", "warning"),
        ("CentOS Linux 7 (Core)", "warning"),
        ("CentOS Linux 8", "passed"),
        ("Red Hat Enterprise Linux 8.4 (Ootpa)", "warning"),
        ("Red Hat Enterprise Linux 9.4 (Plow)", "passed"),
        ("Red Hat Enterprise Linux CoreOS 412.86.202301061548-0 (Ootpa)", "passed"),
        ("Red Hat Enterprise Linux CoreOS 411.86.202301061548-0 (Ootpa)", "warning"),
        ("Talos (v1.4.8)", "warning"),
        ("Talos (v1.9.1)", "passed"),
        ("Amazon Linux 2", "passed"),
        ("Bottlerocket OS 1.20.0 (aws-k8s-1.29)", "passed"),
        ("Flatcar Container Linux by Kinvolk 3815.2.0 (Oklo)", "passed"),
        ("Some Linux of our own 0.1", "passed"),
    ],
)
def test_a_system_older_than_what_is_known_to_work_warns(system: str, outcome: str) -> None:
    assert judge("CIL-NODE-004", scene(nodes=(node(os_image=system),))).outcome == outcome


def test_windows_has_no_agent() -> None:
    found = judge("CIL-NODE-004", scene(nodes=(node(system="windows", os_image="Windows Server 2022 Datacenter"),)))
    assert found.outcome == "failed"


@pytest.mark.parametrize(
    ("replicas", "count", "outcome"), [(2, 2, "passed"), (1, 1, "passed"), (2, 1, "warning"), (1, 0, "failed")]
)
def test_every_operator_needs_a_node_of_its_own(replicas: int, count: int, outcome: str) -> None:
    assert judge("CIL-NODE-005", scene(nodes=nodes(count), manifest=(operator(replicas),))).outcome == outcome


def test_a_cordoned_or_tainted_node_is_no_place_for_an_operator() -> None:
    there = (node("a"), node("b", unschedulable=True), node("c", taints=(CONTROL_PLANE,)))
    assert judge("CIL-NODE-005", scene(nodes=there, manifest=(operator(2),))).outcome == "warning"
    everything = operator(3, tolerations=[{"operator": "Exists"}])
    assert judge("CIL-NODE-005", scene(nodes=there, manifest=(everything,))).outcome == "passed"


def test_values_without_an_operator_are_not_judged() -> None:
    assert judge("CIL-NODE-005", scene(nodes=nodes(1), manifest=(agent(),))).outcome == "skipped"


def test_the_agent_must_tolerate_every_node_and_the_operator_one() -> None:
    ours = Taint(key="team", value="a", effect="NoSchedule")
    there = (node("a", taints=(ours,)),)
    found = judge("CIL-NODE-006", scene(nodes=there, manifest=(agent(), operator())))
    assert found.outcome == "failed"
    assert found.findings[0].text == "DaemonSet `cilium` does not tolerate team=a:NoSchedule of a"
    assert "the operator tolerates no node's taints" in found.findings[1].text
    tolerant = [{"operator": "Exists"}]
    good = (agent(tolerations=tolerant), operator(tolerations=tolerant))
    assert judge("CIL-NODE-006", scene(nodes=there, manifest=good)).outcome == "passed"


def test_taints_that_pass_by_themselves_do_not_count() -> None:
    waiting = Taint(key="node.cilium.io/agent-not-ready", value="true", effect="NoExecute")
    assert (
        judge("CIL-NODE-006", scene(nodes=(node(taints=(waiting,)),), manifest=(agent(), operator()))).outcome
        == "passed"
    )


@pytest.mark.parametrize(
    ("toleration", "fine"),
    [
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "value": "a"}, True),
        ({"key": "team", "value": "b"}, False),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
    ],
)
def test_tolerations_are_read_as_the_scheduler_reads_them(toleration: dict[str, str], *, fine: bool) -> None:
    ours = Taint(key="team", value="a", effect="NoSchedule")
    look_at = scene(nodes=(node(taints=(ours,)),), manifest=(agent(tolerations=[toleration]),))
    assert (judge("CIL-NODE-006", look_at).outcome == "passed") is fine
