from __future__ import annotations

from dataclasses import replace

import pytest

from ciliumctl.clients.helm import Revision
from ciliumctl.errors import Forbidden
from ciliumctl.status.components import tag
from ciliumctl.status.facts import Node, Pod, Snapshot, Workload, component_of
from ciliumctl.status.features import features
from ciliumctl.status.judge import judge
from ciliumctl.status.trouble import Trouble
from ciliumctl.status.verdict import Status

AGENT = "quay.io/cilium/cilium:v1.15.6@sha256:" + "a" * 64
OPERATOR = "quay.io/cilium/operator-generic:v1.15.6"
CONFIG = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.0.0.0/8",
    "cluster-pool-ipv4-mask-size": "24",
    "routing-mode": "tunnel",
    "tunnel-protocol": "vxlan",
    "kube-proxy-replacement": "false",
    "enable-hubble": "true",
    "enable-ipv4": "true",
    "cluster-name": "default",
    "cluster-id": "0",
    "external-envoy-proxy": "false",
}


def workload(component: str = "agent", *, image: str = AGENT, ready: int = 2, desired: int = 2) -> Workload:
    kinds = {"agent": ("DaemonSet", "cilium"), "operator": ("Deployment", "cilium-operator")}
    kind, name = kinds.get(component, ("Deployment", component.replace(" ", "-")))
    return Workload(
        component=component,
        kind=kind,
        name=name,
        uid="1",
        desired=desired,
        ready=ready,
        updated=desired,
        observed=True,
        images={image: desired},
        wanted_images=(image,),
    )


def pod(name: str, node: str, *, ready: bool = True, state: str = "Running", restarts: int = 0) -> Pod:
    return Pod(name=name, ready=ready, state=state, restarts=restarts, age="1m", address="10.0.0.1", node=node)


def node(name: str, kubelet: str = "v1.30.0") -> Node:
    return Node(name=name, state="Ready", kubelet=kubelet, kernel="6.1", os="Linux", address="192.0.2.1")


HEALTHY = Snapshot(
    context="prod",
    namespace="kube-system",
    workloads={"agent": workload(), "operator": workload("operator", image=OPERATOR)},
    pods={"agent": (pod("cilium-aaaaa", "one"), pod("cilium-bbbbb", "two"))},
    nodes=(node("one"), node("two")),
    config=CONFIG,
    networked=4,
)


def errors(status: Status) -> list[str]:
    return [problem.message for problem in status.problems if problem.severity == "error"]


def warnings(status: Status) -> list[str]:
    return [problem.message for problem in status.problems if problem.severity == "warning"]


def with_workload(component: str, **changes: object) -> Snapshot:
    changed = replace(HEALTHY.workloads[component], **changes)  # type: ignore[arg-type]
    return replace(HEALTHY, workloads={**HEALTHY.workloads, component: changed})


def test_a_healthy_installation_has_no_problems() -> None:
    status = judge(HEALTHY, {})
    assert status.ok
    assert status.problems == ()
    assert status.version == "1.15.6"
    assert {component.name: component.state for component in status.components} == {
        "agent": "healthy",
        "envoy": "disabled",
        "operator": "healthy",
        "hubble relay": "disabled",
        "hubble ui": "disabled",
        "cluster mesh": "disabled",
    }


def test_nothing_installed_names_the_command_and_is_no_health() -> None:
    nothing = Snapshot(context="c", namespace="kube-system", workloads={}, pods={}, nodes=(), config={})
    status = judge(nothing, {})
    assert not status.ok
    assert not status.installed
    assert status.problems[0].hint == "`ciliumctl install --wait`"
    elsewhere = judge(nothing, {}, ("cilium",))
    assert elsewhere.problems[0].hint == "add `-n cilium`"


def test_a_missing_operator_is_a_problem_and_not_disabled() -> None:
    status = judge(replace(HEALTHY, workloads={"agent": workload()}), {})
    assert errors(status) == ["Deployment `cilium-operator` is missing"]
    (operator,) = [component for component in status.components if component.name == "operator"]
    assert operator.state == "missing"


def test_an_operator_scaled_to_nothing_is_a_problem() -> None:
    status = judge(with_workload("operator", desired=0, ready=0, updated=0), {})
    assert not status.ok
    assert errors(status) == ["operator: scaled to 0"]


def test_a_missing_envoy_is_a_problem_only_where_it_is_wanted() -> None:
    wanted = replace(HEALTHY, config={**CONFIG, "external-envoy-proxy": "true"})
    assert errors(judge(wanted, {})) == ["DaemonSet `cilium-envoy` is missing"]


def test_unready_pods_are_counted_by_reason_with_the_worst_first() -> None:
    snapshot = with_workload("agent", ready=0)
    troubles = [
        Trouble(pod="cilium-aaaaa", node="one", reason="Pending", message=""),
        Trouble(
            pod="cilium-bbbbb",
            node="two",
            reason="CrashLoopBackOff",
            message="back-off",
            last_end="container `cilium-agent` ended with Error, exit code 1",
            event="Unhealthy: liveness probe failed",
        ),
    ]
    status = judge(snapshot, {"agent": troubles})
    (problem,) = status.problems
    assert problem.message == "agent: 2 of 2 not ready (1 Pending, 1 CrashLoopBackOff)"
    assert problem.details[0] == (
        "cilium-bbbbb on two: CrashLoopBackOff: back-off; last run: container `cilium-agent` ended with Error, "
        "exit code 1; last event: Unhealthy: liveness probe failed"
    )
    assert problem.pod == "cilium-bbbbb"
    assert problem.hint == "`kubectl logs -n kube-system cilium-bbbbb --previous` says why it ended"
    assert status.terminal


def test_the_same_trouble_on_many_nodes_is_told_once() -> None:
    snapshot = with_workload("agent", ready=0, desired=100)
    troubles = [Trouble(pod=f"cilium-{n:05}", node=f"n{n}", reason="ImagePullBackOff", message="x") for n in range(100)]
    (problem,) = judge(replace(snapshot, nodes=()), {"agent": troubles}).problems
    assert problem.details == ("cilium-00000 on n0: ImagePullBackOff: x",)
    assert "registry" in problem.hint


def test_too_many_operators_for_the_nodes_are_told_how_to_be_fewer() -> None:
    snapshot = with_workload("operator", ready=1)
    trouble = Trouble(pod="cilium-operator-x", node="", reason="Unschedulable", message="0/1 nodes are available")
    (problem,) = judge(snapshot, {"operator": [trouble]}).problems
    assert "--set operator.replicas=1" in problem.hint
    assert problem.terminal


def test_pods_that_cannot_be_made_are_told_from_the_workload_s_event() -> None:
    trouble = Trouble(pod="", node="", reason="FailedCreate", message="exceeded quota")
    (problem,) = judge(with_workload("agent", ready=0), {"agent": [trouble]}).problems
    assert problem.details == ("FailedCreate: exceeded quota",)
    assert problem.terminal


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"updated": 1}, "a rollout is under way"), ({"observed": False}, "no controller has acted yet")],
)
def test_a_rollout_under_way_is_not_healthy_yet(changes: dict[str, object], said: str) -> None:
    status = judge(with_workload("agent", **changes), {})
    assert not status.ok
    assert not status.terminal
    assert said in errors(status)[0]


@pytest.mark.parametrize("ready", [2, 1])
def test_paused_updates_are_told_with_the_ways_on_and_back(ready: int) -> None:
    status = judge(with_workload("agent", updated=1, waits=True, ready=ready), {})
    assert not status.ok
    (problem,) = [found for found in status.problems if "paused" in found.message]
    assert problem.message == "1 of 2 agents still run the old version, updates are paused"
    assert "`ciliumctl upgrade --batch 10%` goes on" in problem.hint
    assert "`ciliumctl rollback`" in problem.hint
    assert len(errors(status)) == 3 - ready
    assert judge(with_workload("agent", waits=True), {}).ok


def test_many_restarts_are_a_warning() -> None:
    pods = {"agent": (pod("cilium-aaaaa", "one", restarts=7), pod("cilium-bbbbb", "two"))}
    status = judge(replace(HEALTHY, pods=pods), {})
    assert status.ok
    assert warnings(status) == ["agent: 1 pod restarted 3 times or more"]


def test_nodes_without_an_agent_are_named() -> None:
    status = judge(replace(HEALTHY, nodes=(node("one"), node("two"), node("three"))), {})
    (problem,) = status.problems
    assert problem.severity == "warning"
    assert problem.details == ("three",)


def test_different_versions_side_by_side_are_a_warning() -> None:
    images = {AGENT: 1, "quay.io/cilium/cilium:v1.15.5": 1}
    assert warnings(judge(with_workload("agent", images=images), {})) == [
        "agent: different versions run side by side: 1 of v1.15.5, 1 of v1.15.6"
    ]


def test_components_of_different_versions_are_a_warning() -> None:
    other = ("quay.io/cilium/operator-generic:v1.16.0",)
    status = judge(with_workload("operator", wanted_images=other, images={other[0]: 2}), {})
    assert warnings(status) == ["the components are of different versions: agent v1.15.6, operator v1.16.0"]


@pytest.mark.parametrize(("state", "words"), [("pending-upgrade", "is pending-upgrade"), ("failed", "is failed")])
def test_a_release_that_is_not_deployed_is_a_warning(state: str, words: str) -> None:
    revision = Revision(name="cilium", namespace="kube-system", revision=2, status=state)
    assert words in warnings(judge(replace(HEALTHY, revision=revision), {}))[0]


def test_unmanaged_pods_are_a_warning_unless_endpoints_are_off() -> None:
    snapshot = replace(HEALTHY, unmanaged=("a", "b"))
    assert warnings(judge(snapshot, {})) == ["2 pods of 4 not managed by Cilium"]
    off = replace(snapshot, config={**CONFIG, "disable-endpoint-crd": "true"})
    assert warnings(judge(off, {})) == []


def test_a_part_that_could_not_be_read_is_a_warning_with_its_reason() -> None:
    status = judge(replace(HEALTHY, failures={"release": Forbidden("user may not list secrets")}), {})
    assert status.ok
    assert warnings(status) == ["release: user may not list secrets"]


def test_simulated_nodes_are_said_to_be_simulated() -> None:
    status = judge(replace(HEALTHY, nodes=(node("one", "kwok-v0.8.0"), node("two", "kwok-v0.8.0"))), {})
    assert status.simulated_nodes == 2
    assert "2 of 2 nodes simulated by kwok: nothing runs there, no traffic flows" in status.notes


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (AGENT, "v1.15.6"),
        ("localhost:5000/cilium:v1", "v1"),
        ("localhost:5000/cilium", "latest"),
        ("quay.io/cilium/cilium@sha256:abcdef0123456789", "sha256:abcdef012345"),
    ],
)
def test_an_image_s_tag_is_what_comes_after_its_name(image: str, shown: str) -> None:
    assert tag(image) == shown


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("cilium-x7k2p", "agent"),
        ("cilium-envoy-x7k2p", "envoy"),
        ("cilium-operator-5d9f8c7b6d-x7k2p", "operator"),
        ("hubble-relay-5d9f8c7b6d-x7k2p", "hubble relay"),
        ("hubble-ui-5d9f8c7b6d-x7k2p", "hubble ui"),
        ("clustermesh-apiserver-5d9f8c7b6d-x7k2p", "cluster mesh"),
        ("cilium-node-init-x7k2p", ""),
        ("cilium-pre-flight-check-x7k2p", ""),
        ("coredns-5d9f8c7b6d-x7k2p", ""),
    ],
)
def test_a_pod_s_component_is_known_by_its_name(name: str, component: str) -> None:
    assert component_of(name) == component


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({}, "ipam", "cluster-pool 10.0.0.0/8 by /24"),
        ({"ipam": "kubernetes"}, "ipam", "kubernetes"),
        ({}, "routing", "tunnel vxlan"),
        ({"routing-mode": "native"}, "routing", "native"),
        ({"routing-mode": "", "tunnel": "disabled"}, "routing", "native"),
        ({"routing-mode": "", "tunnel": "geneve"}, "routing", "tunnel geneve"),
        ({"kube-proxy-replacement": "strict"}, "kube_proxy_replacement", "on"),
        ({"kube-proxy-replacement": "partial"}, "kube_proxy_replacement", "partial"),
        ({}, "encryption", "off"),
        ({"enable-wireguard": "true", "encrypt-node": "true"}, "encryption", "WireGuard, nodes too"),
        ({"enable-ipsec": "true"}, "encryption", "IPsec"),
        ({"enable-ipv6": "true"}, "families", "ipv4+ipv6"),
        ({"enable-hubble": "false"}, "hubble", "off"),
    ],
)
def test_features_are_said_in_one_phrase_each(changes: dict[str, str], key: str, said: str) -> None:
    assert features({**CONFIG, **changes})[key] == said


def test_what_was_said_already_is_not_said_again() -> None:
    words = 'exec: "/init.sh": no such file'
    trouble = Trouble(
        pod="cilium-aaaaa",
        node="one",
        reason="CrashLoopBackOff",
        message="back-off 20s restarting failed container=init",
        last_end=f"container `init` ended with StartError, exit code 128: {words}",
        event="BackOff: Back-off restarting failed container init",
    )
    status = judge(with_workload("agent", ready=0), {"agent": [trouble]})
    assert "last event" not in status.problems[0].details[0]
    same = replace(trouble, reason="RunContainerError", message=words, event=f"Failed: Error: {words}")
    (detail,) = judge(with_workload("agent", ready=0), {"agent": [same]}).problems[0].details
    assert detail.count(words) == 1
