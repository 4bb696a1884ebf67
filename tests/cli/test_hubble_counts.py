"""`hubble top`, `hubble drops` and `hubble policy-verdicts`, against agents that have seen flows."""

from __future__ import annotations

from typing import Any

import pytest

from ciliumctl import yaml_files
from ciliumctl.hubble import dropping
from ciliumctl.hubble.flow import Flow, read
from tests.conftest import Command
from tests.world import flows
from tests.world.cluster import NETWORK_POLICIES, POLICIES, FakeCluster, Fault
from tests.world.execs import Answer

NOISE: dict[str, Any] = {"reason": 139, "name": "UNSUPPORTED_L3_PROTOCOL", "l4": {}}


def seen(cluster: FakeCluster) -> None:
    flows.agents(
        cluster,
        {
            "one": [flows.flow(1), flows.flow(2), flows.dropped(3, source="shop/job-1"), flows.dropped(4, **NOISE)],
            "two": [
                flows.dropped(5, source="shop/job-1", node="two"),
                flows.verdict(5, "DROPPED", source="shop/job-1", node="two", policy_match_type=0),
                flows.verdict(
                    6,
                    ingress_allowed_by=[{"name": "db", "namespace": "shop", "kind": "CiliumNetworkPolicy"}],
                    node="two",
                ),
            ],
        },
    )


def policy(name: str, labels: dict[str, str], *types: str, place: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": place},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": list(types)},
    }


def test_flows_are_counted_by_what_is_asked_for(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command("hubble", "top", "--by", "from-pod,verdict")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        "7 flows, 4 of them dropped; nodes asked: 2",
        "FLOWS   SHARE   DROPPED   FROM-POD     VERDICT",
        "3       43%     3         shop/job-1   DROPPED",
        "3       43%     0         shop/web-1   FORWARDED",
        "1       14%     1         shop/web-1   DROPPED",
    ]
    assert {call.command[4] for call in cluster.calls} == {"--since=5m"}
    data = command("hubble", "top", "--by", "port", "--limit", "1", "--all", "-o", "json").json["data"]
    assert data["rows"] == [{"values": ["5432"], "flows": 6, "dropped": 3}]
    assert (data["different"], data["by"], data["flows"]) == (2, ["port"], 7)


def test_of_both_ends_a_flow_is_counted_for_each_and_once_within_one(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": [flows.flow(1), flows.flow(2, destination="shop/web-1")]})
    data = command("hubble", "top", "--by", "pod", "-o", "json").json["data"]
    assert [(row["values"], row["flows"]) for row in data["rows"]] == [(["shop/web-1"], 2), (["shop/db-1"], 1)]
    assert data["flows"] == 2


def test_the_newest_n_are_counted_of_all_nodes_together(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    data = command("hubble", "top", "--by", "node", "--last", "3", "-o", "json").json["data"]
    assert data["rows"] == [{"values": ["two"], "flows": 3, "dropped": 2}]


@pytest.mark.parametrize("by", ["nothing", ","])
def test_what_flows_cannot_be_counted_by_is_refused(cluster: FakeCluster, command: Command, by: str) -> None:
    ran = command("hubble", "top", "--by", by)
    assert ran.code == 2
    assert "from-workload" in ran.err
    assert cluster.seen == []


def test_drops_are_told_with_reason_policy_and_what_to_do(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    cluster.kinds += [NETWORK_POLICIES]
    cluster.add(policy("db-only-web", {"app": "db"}, "Ingress"), policy("other", {"app": "db"}, "Egress"))
    cluster.add(policy("elsewhere", {"app": "db"}, "Ingress", place="prod"))
    ran = command("hubble", "drops")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "3 flows were dropped; nodes asked: 2"
    assert lines[2].split() == [
        *("2", "shop/job-1", "shop/db-1", "5432/tcp", "ingress", "Policy", "denied"),
        *("one", "of:", "NetworkPolicy", "shop/db-only-web"),
    ]
    assert any(line.startswith("Unsupported L3 protocol (no problem): ") for line in lines)
    assert any(line.startswith("Policy denied (meant so): ") for line in lines)
    assert lines[-1].startswith("hint: the same command with `--suggest`")
    assert {call.command[-1] for call in cluster.calls} == {"--verdict=DROPPED"}


def test_a_suggestion_allows_the_pair_the_port_and_the_direction(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command("hubble", "drops", "--suggest")
    assert ran.code == 0, ran.err
    (found,) = yaml_files.parse_all(ran.out)
    assert (found["kind"], found["metadata"]["namespace"]) == ("CiliumNetworkPolicy", "shop")
    assert found["spec"] == {
        "endpointSelector": {"matchLabels": {"app": "db"}},
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"app": "job"}}],
                "toPorts": [{"ports": [{"port": "5432", "protocol": "TCP"}]}],
            }
        ],
    }


def test_an_agent_that_says_which_rule_denied_is_believed(cluster: FakeCluster, command: Command) -> None:
    by = [{"name": "deny-jobs", "namespace": "shop", "kind": "CiliumNetworkPolicy"}]
    flows.agents(
        cluster,
        {"one": [flows.dropped(1, 181, "POLICY_DENY"), flows.verdict(1, "DROPPED", ingress_denied_by=by)]},
    )
    (drop,) = command("hubble", "drops", "-o", "json").json["data"]["drops"]
    assert (drop["policies"], drop["told"], drop["suggestion"]) == (["CiliumNetworkPolicy shop/deny-jobs"], True, None)
    assert drop["reason"]["do"].startswith("If the traffic is wanted, change that deny rule")


def test_policies_that_may_not_be_read_are_not_named_and_that_is_said(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    cluster.kinds += [NETWORK_POLICIES, *POLICIES]
    cluster.faults.append(Fault(pattern="GET .*networkpolicies", status=403, message="no"))
    ran = command("hubble", "drops")
    assert ran.code == 0
    assert "NetworkPolicy objects cannot be read" in ran.err


def test_a_problem_is_counted_apart_from_what_is_meant(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": [flows.dropped(1, 155, "CT_MAP_INSERTION_FAILED"), flows.dropped(2)]})
    ran = command("hubble", "drops")
    assert ran.out.startswith("2 flows were dropped, 1 of them for a reason that is a problem; nodes asked: 1")
    assert "bpf.ctTcpMax" in ran.out


def test_a_reason_that_nobody_knows_here_is_shown_by_hubble_s_name(cluster: FakeCluster, command: Command) -> None:
    flows.agents(cluster, {"one": [flows.dropped(1, 250, "DROP_OF_TOMORROW")]})
    ran = command("hubble", "drops", "-o", "wide")
    assert "DROP_OF_TOMORROW" in ran.out
    assert flows.when(1) in ran.out


def test_the_known_reasons_are_listed_without_a_cluster(cluster: FakeCluster, command: Command) -> None:
    ran = command("hubble", "drops", "--reasons")
    assert ran.code == 0
    assert any(line.split()[:2] == ["133", "POLICY_DENIED"] for line in ran.out.splitlines())
    assert cluster.seen == []


def test_verdicts_are_told_with_the_rule_the_denied_first(cluster: FakeCluster, command: Command) -> None:
    seen(cluster)
    ran = command("hubble", "policy-verdicts", "--node-name", "two")
    assert ran.code == 0, ran.err
    assert [line.split() for line in ran.out.splitlines()] == [
        ["1", "denied,", "0", "audited,", "1", "allowed;", "nodes", "asked:", "1"],
        ["FLOWS", "OUTCOME", "FROM", "TO", "PORT", "DIRECTION", "RULE"],
        ["1", "denied", "shop/job", "shop/db", "5432/tcp", "ingress", "default", "deny"],
        ["1", "allowed", "shop/web", "shop/db", "5432/tcp", "ingress", "CiliumNetworkPolicy", "shop/db"],
    ]
    assert cluster.calls[0].command[-2:] == ("--node-name=two", "--type=policy-verdict")
    command("hubble", "policy-verdicts", "--outcome", "audited")
    assert cluster.calls[-1].command[-2:] == ("--type=policy-verdict", "--verdict=AUDIT")


@pytest.mark.parametrize("name", ["top", "drops", "policy-verdicts"])
def test_a_silent_node_makes_the_counts_partial(cluster: FakeCluster, command: Command, name: str) -> None:
    flows.agents(cluster, {"one": [flows.dropped(1)], "two": Answer(code=1, stderr="gone\n")})
    ran = command("hubble", name, "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert ran.json["data"]["nodes"] == ["one", "two"]
    assert ran.json["data"]["unanswered"][0]["node"] == "two"


def test_flows_of_a_scan_are_counted_and_not_kept() -> None:
    gathering = dropping.Gathering(most=3)
    for port in (1, 2, 3, 4, 5, 1):
        found = read(flows.lines(flows.dropped(1, port=port)))
        assert isinstance(found, Flow)
        gathering.add(found)
    judged = dropping.judge(gathering, ())
    assert (judged.flows, judged.different, gathering.beyond) == (6, 3, 2)
    assert judged.drops[0].flows == 2
