"""`ciliumctl sysdump` and `connectivity test --sysdump-on-failure` against an API server in this process."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command
from tests.docs.checker import violations
from tests.world import objects
from tests.world.cluster import CILIUM_ENDPOINTS, NETWORK_POLICIES, FakeCluster, Fault
from tests.world.devices import device
from tests.world.execs import Answer, Call
from tests.world.run import HERE

SECRET = "hunter2-Zq9x7"


@pytest.fixture
def healthy(cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """Cilium on two nodes with secrets in many places, and agents that answer."""
    monkeypatch.chdir(tmp_path)
    cluster.kinds += [NETWORK_POLICIES, CILIUM_ENDPOINTS]
    cluster.add(*objects.healthy_cilium())
    agent = objects.pod("cilium-aaaaa", on="one", restarts=1, log=f"started with --etcd-password={SECRET}\n")
    agent["spec"]["containers"][0]["env"] = [{"name": "API_TOKEN", "value": SECRET}]
    cluster.add(agent, objects.config_map("cilium-config", {**objects.CILIUM_CONFIG, "some-password": SECRET}))
    cluster.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": SECRET}})
    cluster.add(objects.release(config={"password": SECRET}))
    cluster.program = lambda call: Answer(stdout=f"{call.pod} says token={SECRET}\n")
    return cluster


def inside(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        return {name.partition("/")[2]: found.read(name).decode() for name in found.namelist()}


def test_everything_is_in_one_file_without_a_secret(healthy: FakeCluster, command: Command, tmp_path: Path) -> None:
    ran = command("sysdump", "-o", "json", "--output-filename", "dump")
    assert ran.code == 0, ran.out + ran.err
    schema = json.loads((HERE / "docs" / "reference" / "schemas" / "Sysdump.json").read_text(encoding="utf-8"))
    assert list(violations(ran.json, schema, schema)) == []
    path = tmp_path / "dump.zip"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ran.json["data"]["size"] == path.stat().st_size
    found = inside(path)
    assert sorted(found) == sorted(piece["file"] for piece in ran.json["data"]["pieces"])
    assert not any(SECRET in text for text in found.values())
    assert "problems.txt" not in found
    assert found["agents/one/status.txt"] == "cilium-aaaaa says token=REDACTED\n"
    assert "started with --etcd-password=REDACTED" in found["logs/cilium-aaaaa/main.log"]
    assert "logs/cilium-aaaaa/main.previous.log" in found
    assert "logs/cilium-bbbbb/main.previous.log" not in found
    assert found["pods.txt"].splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert "cluster-pool" in found["namespaces/kube-system/configmaps.yaml"]
    assert "status: deployed" in found["helm.yaml"]
    assert "cilium.io/ciliumendpoints.yaml" in found
    assert not any(seen.path.endswith("/secrets/s") for seen in healthy.seen)
    assert {seen.method for seen in healthy.seen} == {"GET"}


def test_text_says_the_file_and_the_name_alone_can_be_had(healthy: FakeCluster, command: Command) -> None:
    del healthy
    ran = command("sysdump", "--output-filename", "a.zip")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("written: a.zip (")
    assert command("sysdump", "--output-filename", "b", "-o", "name").out == "b.zip\n"
    ran = command("sysdump", "--output-filename", "a.zip")
    assert (ran.code, ran.out) == (3, "")
    assert "`a.zip` is there already" in ran.err


def test_a_dry_run_lists_and_reads_nothing_of_it(healthy: FakeCluster, command: Command, tmp_path: Path) -> None:
    ran = command("sysdump", "--dry-run")
    assert ran.code == 0, ran.err
    assert "`cilium-dbg status --verbose` in cilium-aaaaa on one" in ran.out
    assert ran.out.rstrip().endswith("nothing was written")
    assert healthy.calls == []
    assert not [seen for seen in healthy.seen if seen.path.endswith("/log")]
    assert not list(tmp_path.glob("*.zip"))


def test_what_fails_is_listed_by_its_reason_and_the_exit_code_is_7(healthy: FakeCluster, command: Command) -> None:
    def program(call: Call) -> Answer:
        return Answer(status=403, stderr="no exec for you") if call.pod == "cilium-bbbbb" else Answer(stdout="fine")

    healthy.program = program
    healthy.faults.append(Fault(pattern="/log$", status=403, message="no logs for you"))
    ran = command("sysdump", "--output-filename", "a.zip")
    assert ran.code == 7, ran.err
    missing = [line for line in ran.out.splitlines() if line.startswith("missing: ")]
    assert 2 <= len(missing) <= 4, missing
    assert "and 15 more" in ran.out
    assert "`problems.txt` in it says which, and why" in ran.err
    found = inside(Path("a.zip"))
    assert "agents/two/status.txt: " in found["problems.txt"]
    assert "agents/one/status.txt" in found


def test_only_named_nodes_are_asked(healthy: FakeCluster, command: Command) -> None:
    ran = command("sysdump", "--nodes", "two", "--output-filename", "a", "-o", "json")
    assert ran.code == 0, ran.err
    assert {call.pod for call in healthy.calls} == {"cilium-bbbbb"}
    assert (ran.json["data"]["nodes"], ran.json["data"]["all_nodes"]) == (["two"], 2)
    assert not any(name.startswith("logs/cilium-aaaaa") for name in inside(Path("a.zip")))
    healthy.add(objects.node("three"))
    ran = command("sysdump", "--nodes", "three", "--output-filename", "b")
    assert ran.code == 7
    assert "missing: agents/three: no agent runs there" in ran.out


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize("nodes", ["two,typo", "all,typo"])
def test_a_node_that_does_not_exist_is_told_with_agents(
    healthy: FakeCluster, command: Command, tmp_path: Path, nodes: str, more: tuple[str, ...]
) -> None:
    del healthy
    ran = command("sysdump", "--nodes", nodes, *more)
    assert ran.code == 2, ran.err
    assert "there is no node `typo`" in ran.err
    assert "the nodes are one, two" in ran.err
    assert list(tmp_path.glob("*sysdump*")) == []


def test_a_node_that_does_not_exist_is_told_without_agents(
    cluster: FakeCluster, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster.kinds.append(NETWORK_POLICIES)
    cluster.add(objects.node("one"))
    ran = command("sysdump", "--nodes", "typo")
    assert ran.code == 2, ran.err
    assert "there is no node `typo`" in ran.err
    assert command("sysdump", "--nodes", "one").code == 0


def test_where_nodes_cannot_be_listed_those_with_agents_are_known(healthy: FakeCluster, command: Command) -> None:
    healthy.faults.append(Fault(pattern="/nodes", status=403, message="no nodes for you"))
    ran = command("sysdump", "--nodes", "two,three", "--output-filename", "a", "-o", "json")
    assert ran.code == 7, ran.err
    assert ran.json["data"]["nodes"] == ["two"]
    assert {"agents/three", ""} <= {one["file"] for one in ran.json["data"]["lacking"]}


def test_since_goes_to_the_server_and_the_size_is_kept(healthy: FakeCluster, command: Command) -> None:
    import random

    noise = random.Random(1).randbytes(900_000).hex()  # noqa: S311 - nothing secret
    healthy.add(objects.pod("cilium-bbbbb", on="two", log=noise))
    ran = command("sysdump", "--since", "2h", "--max-size", "1M", "--output-filename", "a", "-o", "json")
    queries = [seen.query for seen in healthy.seen if seen.path.endswith("/log")]
    assert {query.get("sinceSeconds") for query in queries if query["previous"] == "false"} == {"7200"}
    assert Path("a.zip").stat().st_size <= 1024**2
    assert ran.code in {0, 7}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max-size", "much"), "'much' is not a size"),
        (("--max-size", "1"), "is too small"),
        (("--since", "yesterday"), "is not a duration"),
        (("--output-filename", "/no/such/folder/a.zip"), "`/no/such/folder` does not exist"),
        (("--output-filename", "/"), "`/` is a folder"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_read(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], words: str
) -> None:
    ran = command("sysdump", *arguments)
    assert ran.code == 2, ran.err
    assert words in ran.err
    assert cluster.seen == []


def test_without_a_cluster_there_is_no_file(healthy: FakeCluster, command: Command, tmp_path: Path) -> None:
    healthy.faults.append(Fault(pattern=".*", status=401, message="who are you"))
    ran = command("sysdump")
    assert ran.code == 5, ran.err
    assert [path.name for path in tmp_path.iterdir() if "sysdump" in path.name] == []


def test_another_cni_has_no_parts_of_cilium(
    cluster: FakeCluster, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster.kinds.append(NETWORK_POLICIES)
    cluster.add(objects.node("one"), objects.daemon_set("kube-flannel-ds", labels={}))
    ran = command("sysdump", "--output-filename", "a")
    assert ran.code == 0, ran.err
    found = inside(tmp_path / "a.zip")
    assert not any(name.startswith(("agents/", "cilium.io/", "logs/")) for name in found)
    assert cluster.calls == []


# With a connectivity test


def live(cluster: FakeCluster, *, works: bool) -> None:
    """Pods that are ready at once and ask nobody: every probe fails, or the API server lets none be made."""

    def on_create(item: dict[str, Any]) -> None:
        if item["kind"] == "Pod":
            item["spec"]["nodeName"] = "one"
            item["status"] = {
                "phase": "Running",
                "podIP": "203.0.113.9",
                "podIPs": [{"ip": "203.0.113.9"}],
                "conditions": [{"type": "Ready", "status": "True"}],
            }
        elif item["kind"] == "Service":
            item["spec"]["clusterIPs"] = ["198.51.100.9"]

    cluster.on_create = on_create
    if not works:
        cluster.faults.append(Fault(pattern="POST .*/namespaces$", status=403, message="no namespaces for you"))


TEST = ("connectivity", "test", "--test", "^pod-to-pod$", "--single-node", "--ip-families", "ipv4")


def test_a_failed_test_leaves_a_sysdump_of_its_pods_and_ends_with_1(healthy: FakeCluster, command: Command) -> None:
    live(healthy, works=True)
    ran = command(*TEST, "--sysdump-file", "dump", "-o", "json")
    assert ran.code == 1, ran.err
    assert ran.json["data"]["sysdump"] == "dump.zip"
    found = inside(Path("dump.zip"))
    (place,) = {name.split("/")[1] for name in found if name.startswith("namespaces/ciliumctl-test-")}
    assert "203.0.113.9" in found[f"namespaces/{place}/pods.yaml"], "collected before the pods were removed"
    assert json.loads(found["connectivity.json"])[0]["name"] == "pod-to-pod"
    assert not any(SECRET in text for text in found.values())
    assert healthy.get("pods", "client", place) is None


def test_the_text_names_it_and_a_default_name_is_taken(healthy: FakeCluster, command: Command, tmp_path: Path) -> None:
    live(healthy, works=True)
    ran = command(*TEST, "--sysdump-on-failure")
    assert ran.code == 1, ran.err
    (path,) = tmp_path.glob("ciliumctl-sysdump-*.zip")
    assert f"sysdump: {path.name}, made before the pods were removed" in ran.out
    assert "    | source: pod ciliumctl-test-" in ran.out


def test_a_lost_report_leaves_the_result_of_a_failed_test_and_its_exit_code(
    healthy: FakeCluster, command: Command, tmp_path: Path
) -> None:
    live(healthy, works=True)
    full = device(tmp_path, "full")
    second = tmp_path / "second.json"
    ran = command(*TEST, "--report", f"junit={full}", "--report", f"json={second}", "-o", "json")
    assert ran.code == 1, ran.err
    assert ran.json["data"]["scenarios"] == json.loads(second.read_text())["data"]["scenarios"] != []
    assert ran.json["error"]["code"] == "partial"
    assert f"`{full}` (No space left on device)" in ran.err


def test_a_set_up_that_failed_leaves_one_too(healthy: FakeCluster, command: Command, tmp_path: Path) -> None:
    live(healthy, works=False)
    report = tmp_path / "r.json"
    ran = command(*TEST, "--sysdump-file", "dump", "-o", "json", "--report", f"json={report}")
    assert ran.code == 5, ran.err
    for envelope in (ran.json, json.loads(report.read_text())):
        assert envelope["error"]["code"] == "forbidden"
        assert envelope["data"]["sysdump"] == "dump.zip"
    assert "connectivity.json" not in inside(Path("dump.zip"))


def test_one_before_the_set_up_too_and_never_for_a_request_without_sense(
    cluster: FakeCluster, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster.add(objects.node("one", ready=False))
    ran = command(*TEST, "--sysdump-file", "dump")
    assert ran.code == 3
    assert "no node is ready" in ran.err
    assert "nodes.txt" in inside(Path("dump.zip"))
    assert command("connectivity", "test", "--test", "none", "--sysdump-file", "other").code == 2
    assert command(*TEST, "--sysdump-file", "dump").code == 3, "it is there already"
    assert not Path("other.zip").exists()


def test_a_sysdump_that_lacks_something_is_a_warning_and_the_exit_code_stays(
    healthy: FakeCluster, command: Command
) -> None:
    live(healthy, works=True)
    healthy.faults.append(Fault(pattern="/log$", status=403, message="no logs for you"))
    ran = command(*TEST, "--sysdump-file", "dump")
    assert ran.code == 1, ran.err
    assert "sysdump: the archive was written, and" in ran.err


def test_a_test_that_passes_or_was_not_asked_leaves_none(
    healthy: FakeCluster, command: Command, tmp_path: Path
) -> None:
    live(healthy, works=True)
    ran = command(*TEST, "-o", "json")
    assert (ran.code, ran.json["data"]["sysdump"]) == (1, "")
    assert list(tmp_path.glob("*.zip")) == []
