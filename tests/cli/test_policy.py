"""`policy …` as people and scripts meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import yaml_files
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import NETWORK_POLICIES, POLICIES, FakeCluster, Fault
from tests.world.execs import Answer, Call

_BAD = """apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
    - fromEndpoint: [{}]
"""
_TEST = """
- name: the client is kept out
  src: {k8sResource: {kind: pod, name: client, namespace: shop}}
  dst: {k8sResource: {kind: pod, name: web, namespace: shop}}
  targetPort: 80
  expect: deny
  timeoutSeconds: 1
  attempts: 1
"""


def pod(name: str, address: str, place: str = "shop", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place, "labels": {"app": name, **labels}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main"}], "hostNetwork": place != "shop"},
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": address}],
            "containerStatuses": [{"name": "main", "ready": True}],
        },
    }


def policy(name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
        **more,
    }


@pytest.fixture
def shop(cluster: FakeCluster) -> FakeCluster:
    """Two pods, an agent, and a policy that isolates one of them."""
    cluster.kinds += [NETWORK_POLICIES, *POLICIES]
    cluster.add(
        objects.namespace("shop"),
        objects.node("node-1", address="192.0.2.1"),
        pod("web", "10.0.0.1"),
        pod("client", "10.0.0.2"),
        pod("cilium-1", "192.0.2.1", "kube-system", **{"k8s-app": "cilium"}),
        policy(
            "web",
            {"endpointSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"fromEntities": ["world"]}]},
            status={"conditions": [{"type": "Valid", "status": "True"}]},
        ),
    )
    return cluster


# list, show


@pytest.mark.usefixtures("shop")
def test_the_list_says_whom_each_selects_and_isolates(command: Command) -> None:
    ran = command("policy", "list")
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == ["CiliumNetworkPolicy", "shop", "web", "1", "ingress", "ingress", "yes"]
    (row,) = command("policy", "list", "-o", "json").json["data"]["policies"]
    assert (row["pods"], row["isolates"], row["valid"]) == (1, ["ingress"], "yes")
    assert command("policy", "list", "-o", "name").out == "ciliumnetworkpolicy/shop/web\n"


def test_a_policy_that_cilium_refused_ends_in_1(shop: FakeCluster, command: Command) -> None:
    refused = {"conditions": [{"type": "Valid", "status": "False", "message": "bad entity"}]}
    shop.add(policy("broken", {"endpointSelector": {}, "ingress": [{}]}, status=refused))
    ran = command("policy", "list")
    assert ran.code == 1
    assert "broken is not enforced: bad entity" in ran.out


@pytest.mark.usefixtures("shop")
def test_a_policy_is_shown_in_words_and_can_be_applied_again(command: Command) -> None:
    ran = command("policy", "show", "cnp/shop/web")
    assert "is for pods of namespace shop with app=web" in ran.out
    assert "# ingress[0]: allows traffic from everything outside of the cluster (entity world)" in ran.out
    assert "resourceVersion" not in ran.out
    assert command("policy", "lint", "-", stdin=ran.out).code == 0


@pytest.mark.usefixtures("shop")
def test_a_misspelt_policy_is_told_with_the_nearest(command: Command) -> None:
    ran = command("policy", "show", "wbe", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "not-found")
    assert ran.json["error"]["hint"] == "did you mean `web`?"


def test_no_policies_means_everybody_may(command: Command) -> None:
    assert command("policy", "list").out == "there are no network policies: every pod may talk to everybody\n"
    assert "in namespace `shop`, and no clusterwide ones" in command("policy", "list", "-n", "shop").out


def test_no_policies_where_agents_isolate_every_pod_means_nobody_may(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.config_map("cilium-config", {"enable-policy": "always"}, "kube-system"))
    ran = command("policy", "list")
    assert "there are no network policies: no pod may talk to anybody" in ran.out
    assert "`policyEnforcementMode` is `always`" in ran.out


# lint


def test_lint_names_the_line_and_ends_in_1(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(_BAD)
    report = tmp_path / "out.sarif"
    ran = command("policy", "lint", str(file), "--report", f"sarif={report}")
    assert ran.code == 1
    assert f"{file}:7: error: `CiliumNetworkPolicy shop/web spec.ingress[0].fromEndpoint`: there is no field" in ran.out
    assert "did you mean `fromEndpoints`? [CP101]" in ran.out
    (result,) = json.loads(report.read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["locations"][0]["physicalLocation"]["region"]["startLine"]) == ("CP101", 7)
    assert command("policy", "lint", str(file), "--fail-on", "none").code == 0


def test_lint_of_a_cluster_knows_its_pods(shop: FakeCluster, command: Command) -> None:
    shop.add(policy("nobody", {"endpointSelector": {"matchLabels": {"app": "wbe"}}, "ingress": [{}]}))
    ran = command("policy", "lint", "--cluster", "--fail-on", "warning", "-o", "json")
    assert ran.code == 1
    assert [one["code"] for one in ran.json["data"]["findings"]] == ["CP202", "CP201"]
    assert command("policy", "lint", "--cluster").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lint",), "there is nothing to check"),
        (("lint", "nowhere.yaml"), "cannot be read"),
        (("lint", "-", "-"), "stands there twice"),
        (("lint", "-", "-n", "shop"), "`-n` is for the cluster's own policies"),
        (("new",), "no template is named"),
        (("new", "default-dney"), "there is no policy template"),
        (("new", "allow-from-app"), "needs app"),
        (("new", "allow-dns", "--set", "dsn=a=b"), "no setting `dsn`"),
        (("new", "allow-dns", "--set", "dns=nonsense"), "no list of labels"),
        (("new", "deny-metadata-service", "-n", "shop"), "has no namespace"),
        (("new", "default-deny", "-n", "Shop!"), "is no name in Kubernetes"),
        (("audit", "on"), "needs a pod"),
        (("audit", "on", "svc/web"), "is no pod"),
        (("test", "nowhere.yaml"), "cannot be read"),
    ],
)
def test_what_makes_no_sense_ends_in_2(command: Command, arguments: tuple[str, ...], words: str) -> None:
    ran = command("policy", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.out == ""


# new


def test_a_new_policy_goes_to_standard_output(command: Command) -> None:
    ran = command("policy", "new", "l7-read-only-api", "-n", "shop", "--name", "api", "--set", "app=app=api")
    assert ran.code == 0
    assert "  name: api\n  namespace: shop\n" in ran.out
    assert command("policy", "lint", "-", stdin=ran.out).code == 0
    assert "fqdn-allow-list" in command("policy", "new", "--list", "-o", "name").out


def test_applying_needs_a_yes_and_says_what_it_does(shop: FakeCluster, command: Command) -> None:
    asked = ("policy", "new", "default-deny", "-n", "shop", "--apply")
    ran = command(*asked)
    assert ran.code == 3
    assert "it selects 2 pods and isolates them for ingress and egress" in ran.err
    assert shop.get("networkpolicies", "default-deny", "shop") is None
    assert command(*asked, "--yes").code == 0
    made = shop.get("networkpolicies", "default-deny", "shop")
    assert made is not None
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "ciliumctl"}
    assert command(*asked, "--yes").code == 0
    ran = command("policy", "new", "default-deny-ingress", "--name", "default-deny", "-n", "shop", "--apply", "--yes")
    assert ran.code == 3
    assert "says something else" in ran.err


def test_a_new_policy_that_names_no_namespace_is_applied_in_the_contexts(
    shop: FakeCluster, command: Command, tmp_path: Path
) -> None:
    config = shop.kubeconfig(tmp_path, context="here")
    content = yaml_files.parse(config.read_text())
    content["contexts"][0]["context"]["namespace"] = "shop"
    config.write_text(yaml_files.dump(content))
    ran = command("--kubeconfig", str(config), "policy", "new", "default-deny", "--apply", "--yes", "-o", "json")
    assert ran.code == 0, ran.err
    assert shop.get("networkpolicies", "default-deny", "shop") is not None
    assert shop.get("networkpolicies", "default-deny", "default") is None
    assert "namespace: shop" in ran.json["data"]["text"]


# explain


def test_a_pod_is_explained_and_connections_are_judged(shop: FakeCluster, command: Command) -> None:
    realized = [{"status": {"policy": {"realized": {"policy-enabled": "ingress"}}}}]
    shop.program = lambda _call: Answer(stdout=json.dumps(realized))
    ran = command("policy", "explain", "pod/web", "-n", "shop")
    assert ran.code == 0
    assert "into shop/web: isolated by CiliumNetworkPolicy shop/web: only what is allowed" in ran.out
    assert "agent: enforces ingress, as the policies say" in ran.out
    ran = command("policy", "explain", "pod/shop/web", "--from", "pod/shop/client", "--from", "world", "-o", "json")
    assert ran.code == 1
    assert [one["answer"] for one in ran.json["data"]["connections"]] == ["denied", "allowed"]
    assert shop.calls[-1].command[-5:] == ("endpoint", "get", "ipv4:10.0.0.1", "-o", "json")


_AUDITED = {
    "id": 7,
    "status": {
        "external-identifiers": {"k8s-namespace": "shop", "k8s-pod-name": "web"},
        "realized": {"options": {"PolicyAuditMode": "Enabled"}},
    },
}


def test_what_a_pod_in_audit_mode_lets_through_is_not_called_denied(
    shop: FakeCluster, command: Command, tmp_path: Path
) -> None:
    shop.program = lambda call: Answer(stdout=json.dumps([_AUDITED])) if "list" in call.command else Answer()
    ran = command("policy", "explain", "pod/shop/web", "--from", "pod/shop/client")
    assert ran.code == 0, ran.out
    assert "audited: no rule allows it" in ran.out
    file = tmp_path / "test.yaml"
    file.write_text(_TEST)
    ran = command("policy", "test", str(file), "--tools", "pod", "-o", "json")
    (tried,) = ran.json["data"]["tried"]
    assert (tried["policies"], tried["outcome"]) == ("audited", "failed")
    assert "in audit mode it passes all the same" in tried["why"]


def test_where_no_agent_tells_of_audit_mode_that_is_said(shop: FakeCluster, command: Command) -> None:
    shop.program = lambda _call: Answer(code=1, stderr="no socket")
    asked = ("policy", "explain", "pod/shop/web", "--from", "pod/shop/client")
    ran = command(*asked)
    assert ran.code == 1
    assert "not known: no agent says whether pod shop/web is in audit mode: " in ran.out
    assert "no socket" in ran.out
    before = len(shop.calls)
    ran = command(*asked, "--no-agent")
    assert "not known: the agents were not asked whether a pod is in audit mode" in ran.out
    assert len(shop.calls) == before


def test_an_agent_that_enforces_something_else_is_told(shop: FakeCluster, command: Command) -> None:
    shop.program = lambda _call: Answer(stdout='[{"status": {"policy": {"realized": {"policy-enabled": "none"}}}}]')
    assert "enforces none, not what the policies say" in command("policy", "explain", "pod/shop/web").out
    shop.add(objects.config_map("cilium-config", {"enable-policy": "never"}, "kube-system"))
    said = command("policy", "explain", "pod/shop/web").out
    assert "enforces none, as the policies say" in said
    assert "`policyEnforcementMode` is `never`" in said


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pod/shop/nobody",), 5, "there is no pod `nobody`"),
        (("pod/shop/web", "--to", "nonsense"), 2, "is nobody that policies know"),
        (("pod/kube-system/cilium-1",), 2, "has its node's network"),
    ],
)
def test_who_cannot_be_explained(command: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = command("policy", "explain", *arguments, "--no-agent")
    assert ran.code == code
    assert words in ran.err


def test_a_services_address_is_not_taken_for_the_world(shop: FakeCluster, command: Command, tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    shop.add({**service, "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"]}})
    ran = command("policy", "explain", "pod/shop/client", "--to", "10.96.0.7", "--port", "80", "--no-agent")
    assert (ran.code, "is the address of service `shop/web`" in ran.err) == (2, True)
    assert command("policy", "explain", "pod/shop/client", "--to", "192.0.2.1", "--no-agent").code == 0
    file = tmp_path / "test.yaml"
    file.write_text(
        _TEST.replace("{k8sResource: {kind: pod, name: web, namespace: shop}}", "{host: {name: 10.96.0.7}}")
    )
    ran = command("policy", "test", str(file), "--tools", "pod")
    assert (ran.code, "{kind: service, name: web, namespace: shop}" in ran.err) == (2, True)
    assert shop.calls == []


def test_a_user_without_rights_is_told_which(shop: FakeCluster, command: Command) -> None:
    shop.faults.append(Fault(pattern="GET .*/ciliumnetworkpolicies", status=403, message="nobody may not list"))
    ran = command("policy", "explain", "pod/shop/web", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "forbidden")


# test


def _asks(through: int) -> Any:
    return lambda _call: Answer(code=through)


@pytest.mark.parametrize(("ends", "code", "outcome"), [(124, 0, "passed"), (0, 1, "failed")])
def test_an_assertion_is_tried_in_the_pod(
    shop: FakeCluster, command: Command, tmp_path: Path, ends: int, code: int, outcome: str
) -> None:
    shop.program = _asks(ends)
    file, tap = tmp_path / "test.yaml", tmp_path / "out.tap"
    file.write_text(_TEST)
    ran = command("policy", "test", str(file), "--tools", "pod", "--report", f"tap={tap}", "-o", "json")
    assert ran.code == code, ran.err
    (tried,) = ran.json["data"]["tried"]
    assert (tried["outcome"], tried["policies"]) == (outcome, "denied")
    assert tap.read_text().startswith("TAP version 13\n1..1\n")
    assert shop.calls[-1].command[-6:] == ("sh", "10.0.0.1", "80", "1", "-", "/")


def _deployment(selector: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "front", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"selector": selector}}


@pytest.mark.parametrize(
    ("selector", "code", "words"),
    [
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["client"]}]}, 0, "1 passed"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["else"]}]}, 5, "has no pod in namespace"),
        ({}, 2, "selects no pods by labels"),
    ],
)
def test_a_workload_is_tried_from_one_of_its_own_pods(
    shop: FakeCluster, command: Command, tmp_path: Path, selector: dict[str, Any], code: int, words: str
) -> None:
    # By its name it comes before the workload's own.
    shop.add(_deployment(selector), pod("aaa", "10.0.0.3"))
    shop.program = _asks(124)
    file = tmp_path / "test.yaml"
    file.write_text(_TEST.replace("{kind: pod, name: client,", "{kind: deployment, name: front,"))
    ran = command("policy", "test", str(file), "--tools", "pod")
    assert ran.code == code, ran.err
    assert words in ran.out + ran.err
    tried = [call.pod for call in shop.calls if call.pod != "cilium-1"]
    assert tried == (["client"] if code == 0 else [])


def test_the_guest_needs_no_rights_and_that_its_entry_stays_is_said_before(
    shop: FakeCluster, command: Command, tmp_path: Path
) -> None:
    shop.program = _asks(124)
    file = tmp_path / "test.yaml"
    file.write_text(_TEST)
    ran = command("policy", "test", str(file))
    assert ran.code == 0, ran.err
    found = shop.get("pods", "client", "shop")
    assert found is not None
    (container,) = found["spec"]["ephemeralContainers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert ran.err.index("stays in the pod's spec after its end") < ran.err.index("Starting container")


_GROUP = {"endpointSelector": {"matchLabels": {"app": "client"}}, "egress": [{"toFQDNs": [{"matchName": "a.example"}]}]}


@pytest.mark.parametrize(
    ("hubble", "code", "outcome", "words"),
    [
        (Answer(stdout='{"flow": {"drop_reason_desc": "POLICY_DENIED"}}\n'), 0, "passed", "Hubble says POLICY_DENIED"),
        (Answer(), 1, "error", "Hubble saw no policy drop it"),
        (Answer(code=1, stderr="failed to connect"), 1, "error", "Hubble does not tell"),
    ],
)
def test_silence_that_the_objects_do_not_decide_is_no_denial_unless_hubble_saw_a_drop(
    shop: FakeCluster, command: Command, tmp_path: Path, hubble: Answer, code: int, outcome: str, words: str
) -> None:
    shop.add(policy("names", _GROUP))
    shop.program = lambda call: hubble if call.command[0] == "hubble" else Answer(code=124)
    file = tmp_path / "test.yaml"
    file.write_text(
        _TEST.replace("{k8sResource: {kind: pod, name: web, namespace: shop}}", "{host: {name: 203.0.113.9}}")
    )
    ran = command("policy", "test", str(file), "--tools", "pod", "-o", "json")
    assert ran.code == code, ran.err
    (tried,) = ran.json["data"]["tried"]
    assert (tried["policies"], tried["outcome"]) == ("unknown", outcome)
    assert words in tried["why"]
    asked = " ".join(shop.calls[-1].command)
    assert "--since 2m" not in asked
    assert asked.endswith("--from-pod shop/client --to-ip 203.0.113.9 --to-port 80")


def test_a_dry_run_tries_nothing(cluster: FakeCluster, command: Command) -> None:
    ran = command("policy", "test", "-", "--dry-run", stdin=_TEST)
    assert ran.code == 0
    assert "1 assertions would be tried; nothing was" in ran.out
    assert cluster.seen == []


# audit


def _agent(call: Call) -> Answer:
    if call.command[0] == "hubble":
        flow = {
            "flow": {
                "traffic_direction": "INGRESS",
                "source": {"namespace": "shop", "pod_name": "client"},
                "destination": {"namespace": "shop", "pod_name": "web"},
                "l4": {"TCP": {"destination_port": 80}},
            }
        }
        return Answer(stdout=f"{json.dumps(flow)}\n" * 2)
    if "list" in call.command:
        entry = {
            "id": 7,
            "status": {
                "external-identifiers": {"k8s-namespace": "shop", "k8s-pod-name": "web"},
                "realized": {"options": {"PolicyAuditMode": _agent.mode}},  # type: ignore[attr-defined]
            },
        }
        return Answer(stdout=json.dumps([entry, {"id": 1, "status": {}}]))
    _agent.mode = call.command[-1].partition("=")[2]  # type: ignore[attr-defined]
    return Answer()


def test_audit_mode_is_switched_after_a_yes_and_shows_what_passed(shop: FakeCluster, command: Command) -> None:
    _agent.mode = "Disabled"  # type: ignore[attr-defined]
    shop.program = _agent
    ran = command("policy", "audit", "on", "pod/web", "-n", "shop")
    assert ran.code == 3
    assert "audit mode opens shop/web to everybody" in ran.err
    ran = command("policy", "audit", "on", "pod/web", "-n", "shop", "--yes")
    assert ran.code == 0, ran.err
    assert shop.calls[-1].command[-3:] == ("config", "7", "PolicyAuditMode=Enabled")
    ran = command("policy", "audit", "status")
    assert "shop/web on node-1: audit mode is on" in ran.out
    assert "ingress: shop/client → shop/web TCP/80, 2 times" in ran.out
    assert command("policy", "list", "--audit", "-o", "json").json["data"]["policies"][0]["audited"] == 1
    assert command("policy", "audit", "off", "pod/web", "-n", "shop").code == 0
    assert command("policy", "audit", "status").out == "no pod is in audit mode\n"


def test_what_passed_is_told_of_the_pod_whose_policies_were_asked_with_one_exec_a_node(
    shop: FakeCluster, command: Command
) -> None:
    def agent(call: Call) -> Answer:
        if call.command[0] == "hubble":
            flow = {
                "traffic_direction": "INGRESS",
                "source": {"namespace": "shop", "pod_name": "client"},
                "destination": {"namespace": "shop", "pod_name": "web"},
            }
            return Answer(stdout=json.dumps({"flow": flow}) + "\n")
        entries = [
            {
                "id": number,
                "status": {
                    "external-identifiers": {"k8s-namespace": "shop", "k8s-pod-name": name},
                    "realized": {"options": {"PolicyAuditMode": "Enabled"}},
                },
            }
            for number, name in enumerate(("client", "web"))
        ]
        return Answer(stdout=json.dumps(entries))

    shop.program = agent
    shop.add(objects.config_map("cilium-config", {"policy-audit-mode": "true"}, "kube-system"))
    found = command("policy", "audit", "status", "-o", "json").json["data"]["endpoints"]
    assert {one["pod"]: len(one["passed"]) for one in found} == {"client": 0, "web": 1}
    assert [call.command[0] for call in shop.calls].count("hubble") == 1
    ran = command("policy", "audit", "on", "pod/web", "-n", "shop", "-o", "json")
    assert ran.json["data"]["everywhere"] is True


def test_an_agent_that_does_not_answer_ends_in_7(shop: FakeCluster, command: Command) -> None:
    shop.program = lambda _call: Answer(code=1, stderr="no such command")
    ran = command("policy", "audit", "status", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert list(ran.json["data"]["failed"]) == ["node-1"]
