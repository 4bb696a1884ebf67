"""`ciliumctl debug path` against an API server in this process, whose containers answer the probe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import CILIUM_ENDPOINTS, NETWORK_POLICIES, POLICIES, FakeCluster, Fault, Object
from tests.world.execs import Answer, Call

WEB, DB = "192.0.2.10", "192.0.2.20"


def pod(name: str, node: str, address: str, **more: Any) -> Object:
    found = objects.pod(name, place="shop", on=node, address=address, host_network=False, labels={"app": name}, **more)
    found["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "name": "http"}]
    found["status"]["podIPs"] = [{"ip": address}]
    found["status"]["conditions"] = [{"type": "Ready", "status": str(found["status"]["containerStatuses"][0]["ready"])}]
    return found


def service(name: str = "db", *, port: int = 80) -> Object:
    spec = {"clusterIP": "192.0.2.100", "selector": {"app": name}, "ports": [{"port": port, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def endpoints(name: str, *backends: tuple[str, str, str], ready: bool = True) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "nodeName": node,
                "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": pod},
            }
            for pod, node, address in backends
        ],
    }


def endpoint(name: str, number: int, identity: int) -> Object:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": {"name": name, "namespace": "shop"},
        "status": {"id": number, "identity": {"id": identity, "labels": []}, "state": "ready"},
    }


class Containers:
    """What answers in containers: the probe's outcome by address, and agents that know the path."""

    def __init__(self) -> None:
        self.probe: Mapping[str, tuple[int, str]] = {}
        self.home: Mapping[str, tuple[int, str]] = {}
        self.no_tool = False
        self.refused = ""
        self.agents = True

    def __call__(self, call: Call) -> Answer:
        if call.container == self.refused:
            return Answer(status=403, stderr="no exec for you")
        if any("@tool" in word for word in call.command):
            said = self.home if call.container == "cilium-agent" else self.probe
            if self.no_tool and call.container == "main":
                return Answer(code=69)
            return Answer(stdout="@tool bash_tcp\n" + "".join(self._tries(call.command, said)))
        if not self.agents or call.container != "cilium-agent":
            return Answer(code=1, stderr="nobody is here")
        return Answer(stdout="".join(self._agent(line, call.pod) for line in call.command[2].splitlines()[1:]))

    def _tries(self, words: tuple[str, ...], said: Mapping[str, tuple[int, str]]) -> list[str]:
        # Behind the program for Python.
        start = next(number for number, word in enumerate(words) if word.startswith("\nimport socket")) + 1
        pairs = zip(words[start::2], words[start + 1 :: 2], strict=True)
        return [
            f"@@ {address} {port} {said.get(address, (0, ''))[0]}\n{said.get(address, (0, ''))[1]}\n"
            for address, port in pairs
        ]

    def _agent(self, line: str, agent: str) -> str:
        found = re.match(r"run (\d+) ", line)
        assert found is not None, line
        other = "two" if agent == "cilium-aaaaa" else "one"
        answer = (0, "1500")
        if "ipcache" in line:
            number = 7 if other == "two" else 8
            node = "192.0.2.2" if other == "two" else "192.0.2.1"
            answer = (0, f"x maps to identity identity={number} encryptkey=0 tunnelendpoint={node} flags=<none>")
        elif "cilium-health" in line:
            fine = {"latency": 100_000}
            answer = (0, json.dumps({"nodes": [{"name": other, "host": {"primary-address": {"icmp": fine}}}]}))
        elif "bpf policy" in line:
            answer = (0, "Allow    Egress      0          ANY            NONE\nAllow    Ingress     0     ANY    NONE")
        elif "hubble" in line:
            answer = (0, "10:00:00 shop/web:40000 -> shop/db:8080 policy-verdict:none DROPPED (TCP Flags: SYN)")
        return f"@@{found[1]} {answer[0]}\n{answer[1]}\n\n"


@pytest.fixture
def containers() -> Containers:
    return Containers()


@pytest.fixture
def shop(cluster: FakeCluster, containers: Containers) -> FakeCluster:
    """Cilium on two nodes; `web` on one asks `db` on the other."""
    cluster.kinds += [NETWORK_POLICIES, CILIUM_ENDPOINTS, *POLICIES]
    cluster.add(*objects.healthy_cilium(), objects.namespace("shop"), objects.namespace("kube-system"))
    for number, node in (("a", "one"), ("b", "two")):
        agent = objects.pod(f"cilium-{number * 5}", on=node, labels={"k8s-app": "cilium"})
        agent["spec"]["containers"] = [{"name": "cilium-agent"}]
        cluster.add(agent)
    cluster.add(pod("web", "one", WEB), pod("db", "two", DB), endpoint("web", 11, 8), endpoint("db", 22, 7))
    cluster.add(service(), endpoints("db", ("db", "two", DB)))
    cluster.program = containers
    return cluster


def stages(ran: Any) -> dict[str, Any]:
    return {stage["id"]: stage for stage in ran.json["data"]["stages"]}


def test_all_is_well_and_every_hop_says_so(shop: FakeCluster, command: Command) -> None:
    ran = command("debug", "path", "pod/shop/web", "svc/shop/db")
    assert ran.code == 0, ran.err + ran.out
    lines = ran.out.splitlines()
    assert lines[0] == f"✔ source: pod shop/web at {WEB} on one"
    assert f"✔ service: port 80/TCP, 1 of 1 ready, such as shop/db at {DB}:8080 on two" in lines
    assert "✔ identity: both ends are known to Cilium" in lines
    assert "✔ way between nodes: from one to two: health probes get through both ways" in lines
    assert lines[-2:] == ["", "it gets through from pod shop/web to svc/shop/db"]
    assert {seen.method for seen in shop.seen} == {"GET"}
    # An exec in each agent for what it knows, one for the probe, one in each for Hubble's flows.
    assert len(shop.calls) == 5
    assert len(shop.seen) - len(shop.calls) <= 24


def test_the_labels_of_both_identities_are_evidence(shop: FakeCluster, command: Command) -> None:
    for name in ("web", "db"):
        found = shop.get("ciliumendpoints", name, "shop")
        assert found is not None
        found["status"]["identity"]["labels"] = [f"k8s:app={name}", "k8s:io.kubernetes.pod.namespace=shop"]
    ran = command("debug", "path", "pod/shop/web", "svc/shop/db", "-o", "wide")
    assert "identity 8 is k8s:app=web, k8s:io.kubernetes.pod.namespace=shop" in ran.out
    assert "identity 7 is k8s:app=db, k8s:io.kubernetes.pod.namespace=shop" in ran.out


def test_the_namespace_of_ends_that_name_none_is_the_option_s_else_the_context_s(
    shop: FakeCluster, command: Command
) -> None:
    del shop
    ran = command("debug", "path", "pod/web", "svc/db", "-n", "shop", "--no-probe", "-o", "json")
    assert ran.code == 0, ran.err
    ends = [ran.json["data"][end] for end in ("source", "destination")]
    assert [(end["namespace"], end["name"]) for end in ends] == [("shop", "web"), ("shop", "db")]
    assert stages(ran)["nodes"]["outcome"] == "ok", "Cilium is found in its own namespace"
    ran = command("debug", "path", "pod/web", "svc/shop/db", "--no-probe")
    assert (ran.code, "there is no pod `web` in namespace `default`" in ran.err) == (5, True)


def test_a_policy_that_denies_is_named_with_its_rule(
    shop: FakeCluster, command: Command, containers: Containers
) -> None:
    policy: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "shut", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]},
    }
    shop.add(policy)
    containers.probe = {"192.0.2.100": (124, ""), DB: (124, "")}
    ran = command("debug", "path", "deploy/shop/web", "svc/shop/db")
    assert ran.code == 5
    assert "there is no deployment `web` in namespace `shop`" in ran.err
    ran = command("debug", "path", "pod/shop/web", "svc/shop/db", "-o", "json")
    assert (ran.code, ran.json["ok"], ran.json["error"]) == (1, False, None)
    assert ran.json["data"]["broken"] == "CIL-PATH-502"
    assert "NetworkPolicy shop/shut" in ran.json["data"]["verdict"]
    assert "ciliumctl policy explain pod/shop/db" in stages(ran)["ingress"]["hint"]
    assert any("DROPPED" in line for line in stages(ran)["probe"]["evidence"])
    assert command("debug", "path", "pod/shop/web", "svc/shop/db", "-o", "name").out.splitlines()[0] == "CIL-PATH-502"


def test_a_pod_in_audit_mode_is_not_called_denied(shop: FakeCluster, command: Command, containers: Containers) -> None:
    spec = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]}
    shop.add(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "shut", "namespace": "shop"},
            "spec": spec,
        }
    )
    pod = {"k8s-namespace": "shop", "k8s-pod-name": "db"}
    status = {"external-identifiers": pod, "realized": {"options": {"PolicyAuditMode": "Enabled"}}}
    listed = Answer(stdout=json.dumps([{"id": 9, "status": status}]))
    shop.program = lambda call: listed if "list" in call.command else containers(call)
    ran = command("debug", "path", "pod/shop/web", "svc/shop/db", "-o", "json")
    assert ran.code == 0, ran.out
    assert stages(ran)["ingress"]["outcome"] == "ok"
    assert "in audit mode it passes all the same" in stages(ran)["ingress"]["message"]
    asked = [call.pod for call in shop.calls if "list" in call.command]
    assert len(asked) == 1, "only the agent of the node where it is denied"


def test_traffic_that_is_dropped_between_the_nodes_names_them(
    shop: FakeCluster, command: Command, containers: Containers
) -> None:
    del shop
    containers.probe = {DB: (124, "")}
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:http")
    assert ran.code == 1, ran.err
    assert ran.out.splitlines()[-1] == (
        f"probe: pod traffic does not get from one to two: {DB}:8080 answers on its own node only"
    )
    containers.home = {DB: (1, "connect: Connection refused")}
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:9999")
    assert "nothing listens on port 9999 of pod shop/db" in ran.out
    assert "hint: the pod declares 8080" in ran.out


def test_services_that_lead_nowhere_are_told(shop: FakeCluster, command: Command, containers: Containers) -> None:
    containers.probe = {"192.0.2.100": (124, "")}
    shop.add(service("nobody"), endpoints("db", ("db", "two", DB), ready=False))
    ran = command("debug", "path", "pod/shop/web", "svc/shop/nobody", "-o", "json")
    assert ran.json["data"]["broken"] == "CIL-PATH-302"
    ran = command("debug", "path", "pod/shop/web", "db.shop.svc:80", "-o", "json", "--no-probe")
    assert (ran.code, ran.json["data"]["broken"]) == (1, "CIL-PATH-303")
    ran = command("debug", "path", "pod/shop/web", "svc/shop/db:81", "--no-probe")
    assert "service shop/db has no port 81" in ran.out


def test_an_address_is_whose_it_is(shop: FakeCluster, command: Command) -> None:
    del shop
    for address, kind in ((DB, "pod"), ("192.0.2.100", "service"), ("192.0.2.2", "node"), ("203.0.113.9", "outside")):
        ran = command("debug", "path", "pod/shop/web", f"{address}:80", "--no-probe", "-o", "json")
        assert ran.json["data"]["destination"]["kind"] == kind, ran.err


def test_a_pod_without_tools_gets_a_guest_that_is_ended(
    shop: FakeCluster, command: Command, containers: Containers
) -> None:
    containers.no_tool = True
    ran = command(
        "debug", "path", "pod/shop/web", "pod/shop/db:8080", "--image", "registry.example/tools:1", "-o", "json"
    )
    assert ran.code == 0, ran.err
    assert "container ciliumctl-path-" in stages(ran)["probe"]["evidence"][0]
    patched = [seen for seen in shop.seen if seen.path.endswith("/ephemeralcontainers")]
    assert [seen.method for seen in patched] == ["PATCH"]
    shop.faults.append(Fault(pattern="/ephemeralcontainers", status=403, message="no guests here"))
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:8080", "-o", "json")
    assert stages(ran)["probe"]["outcome"] == "skip"
    assert "no probe could be put beside the pod" in stages(ran)["probe"]["message"]
    assert ran.code == 0


def test_without_cilium_hops_are_skipped_with_the_reason(cluster: FakeCluster, command: Command) -> None:
    cluster.kinds.append(NETWORK_POLICIES)
    cluster.add(objects.node("one"), objects.node("two", address="192.0.2.2"), objects.namespace("shop"))
    cluster.add(pod("web", "one", WEB), pod("db", "two", DB))
    containers = Containers()
    containers.probe = {DB: (124, "")}
    cluster.program = containers
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:8080", "-o", "json")
    assert (ran.code, ran.json["data"]["broken"]) == (1, "CIL-PATH-705")
    assert stages(ran)["identity"]["message"] == "there is no Cilium here"
    assert "between one and two" in ran.json["data"]["verdict"]


def test_missing_rights_skip_hops_and_do_not_stop_the_rest(
    shop: FakeCluster, command: Command, containers: Containers
) -> None:
    shop.faults.append(Fault(pattern="/networkpolicies", status=403, message="no policies for you"))
    containers.refused = "main"
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:8080", "-o", "json")
    assert ran.code == 0, ran.err
    assert stages(ran)["probe"]["outcome"] == "skip"
    containers.refused = "cilium-agent"
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:8080", "-o", "json")
    assert ran.code == 0, ran.err
    found = stages(ran)
    assert found["egress"]["message"].startswith("policies cannot be read: ")
    assert found["nodes"]["evidence"][0].startswith("one, the agent cannot be asked: ")
    assert found["routing"]["outcome"] == "skip"
    assert found["probe"]["outcome"] == "ok"


def test_mermaid_draws_every_hop_and_nothing_in_it_is_markup(shop: FakeCluster, command: Command) -> None:
    del shop
    ran = command("debug", "path", "pod/shop/web", "pod/shop/db:8080", "--no-probe", "--mermaid")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(":::" in line for line in lines) == 10
    assert all(re.fullmatch(r'    \w+\["[^"]*"\]:::\w+', line) for line in lines if ":::" in line)
    assert "source --> destination" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pod/shop", "x/y"), "`x/y` is no end of a path"),
        (("pod/shop/web", "pod/shop/db:70000"), "70000 is no port"),
        (("pod/shop/web", "pod/shop/db:nix"), "nothing there has a port named `nix`"),
        (("www.example.com", "pod/shop/db"), "cannot be asked from"),
        (("pod/shop/web", "pod/shop/db", "--no-probe", "--guest"), "nothing is put beside the source"),
        (("pod/shop/web", "pod/shop/db", "--mermaid", "-o", "json"), "`--mermaid` is a format of its own"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shop: FakeCluster, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    del shop
    ran = command("debug", "path", *arguments)
    assert ran.code == 2, ran.err
    assert said in (ran.err + ran.out)


def test_ends_that_are_not_there_are_told(shop: FakeCluster, command: Command) -> None:
    del shop
    ran = command("debug", "path", "pod/shop/web", "pod/shop/nobody:80", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (5, "not-found")
    assert "there is no pod `nobody` in namespace `shop`" in ran.json["error"]["message"]
