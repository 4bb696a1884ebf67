"""`cni list|lint|detect|compare` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.nodework import nodes_answer
from tests.world.run import quiet_environ, run

FLANNEL = json.dumps(
    {
        "name": "cbr0",
        "cniVersion": "1.0.0",
        "plugins": [{"type": "flannel"}, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }
)
FILES = [{"name": "10-flannel.conflist", "text": FLANNEL}, {"name": "05-cilium.conflist.cilium_bak", "text": "{}"}]
GOOD = {"cni_files": FILES, "cni_plugins": "flannel\nportmap\nloopback\n"}


@pytest.fixture
def nodes(cluster: FakeCluster) -> FakeCluster:
    cluster.add(objects.namespace("kube-system"), *(objects.node(name) for name in ("one", "two", "three")))
    cluster.add(objects.node("four", annotations={"kwok.x-k8s.io/node": "fake"}))
    nodes_answer(
        cluster,
        {"one": GOOD, "two": GOOD, "three": {**GOOD, "cni_plugins": "loopback\n"}},
    )
    return cluster


def test_nodes_with_the_same_files_stand_together(nodes: FakeCluster, command: Command) -> None:
    ran = command("cni", "list", "--node-image", "example.org/tools:1")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert ran.code == 1
    assert lines[1:4] == [
        "four not looked at simulated by kwok: nothing runs there",
        "one and 1 more 05-cilium.conflist.cilium_bak passed over",
        "10-flannel.conflist used cbr0 1.0.0 flannel → portmap",
    ]
    assert "✗ `10-flannel.conflist` on three needs `flannel`, `portmap` in `/opt/cni/bin`: no pod starts" in lines
    assert ran.err.index("a privileged pod looks at each node") < ran.err.index("Looking at the nodes")
    assert [item["metadata"]["name"] for item in nodes.all("namespaces")] == ["kube-system"]


def test_one_node_is_asked_alone(nodes: FakeCluster, command: Command) -> None:
    del nodes
    ran = command("cni", "list", "--node", "one", "--node-image", "example.org/tools:1", "-o", "json")
    data = ran.json["data"]
    looked = [node for node in data["nodes"] if not node["skipped"]]
    assert ran.code == 0
    assert [(node["node"], node["files"][1]["state"]) for node in looked] == [("one", "used")]


def test_a_node_that_is_not_there_is_refused_before_anything_is_made(nodes: FakeCluster, command: Command) -> None:
    ran = command("cni", "list", "--node", "nope", "--node-image", "example.org/tools:1")
    assert ran.code == 2
    assert "there is no node `nope`" in ran.err
    assert "privileged" not in ran.err
    assert [seen.path for seen in nodes.seen if seen.method == "POST"] == []


def test_without_an_image_the_option_is_named(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.node("one"))
    ran = command("cni", "list")
    assert ran.code == 8
    assert "`--node-image IMAGE`" in ran.err


def lint(*arguments: str, folder: Path, stdin: str = "") -> tuple[int, str, str]:
    ran = run("cni", "lint", *arguments, env=quiet_environ(folder), stdin=stdin)
    return ran.code, ran.out, ran.err


def test_lint_needs_no_cluster_and_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "10-net.conflist"
    file.write_text('{"name": "n",\n "cniVersion": "1.0.0",\n "plugins": [{"type": "portmap"}]}\n')
    code, out, _err = lint(str(file), folder=tmp_path)
    assert code == 1
    assert f"{file}:3: error: `plugins[0].type`: `portmap` changes what plugins before it made" in out
    assert out.splitlines()[-1] == "1 error, 1 warning in 1 file"
    assert lint(str(file), "--fail-on", "none", folder=tmp_path)[0] == 0


def test_lint_reads_standard_input_and_folders(tmp_path: Path) -> None:
    assert lint("-", folder=tmp_path, stdin=FLANNEL)[:2] == (0, "nothing found in 1 file\n")
    folder = tmp_path / "net.d"
    folder.mkdir()
    (folder / "10-flannel.conflist").write_text(FLANNEL)
    code, out, _err = lint(str(folder), folder=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "1 info in 1 file")
    assert "runtimes take this file" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere.conflist",), 2, "`nowhere.conflist` cannot be read"),
        (("-", "-"), 2, "standard input can be read once"),
        ((), 2, "FILE"),
        (("-", "--programs", "nowhere"), 2, "`nowhere` cannot be listed"),
        (("-", "--report", "pdf=x"), 2, "is not a report"),
    ],
)
def test_what_cannot_be_linted_is_said(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended, _out, err = lint(*arguments, folder=tmp_path)
    assert ended == code
    assert words in err


def test_lint_writes_sarif_and_junit(tmp_path: Path) -> None:
    file = tmp_path / "10-net.conflist"
    file.write_text("{")
    sarif, junit = tmp_path / "out.sarif", tmp_path / "out.xml"
    code, _out, _err = lint(str(file), "--report", f"sarif={sarif}", "--report", f"junit={junit}", folder=tmp_path)
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    assert code == 1
    assert (result["ruleId"], result["locations"][0]["physicalLocation"]["region"]["startLine"]) == ("CNI001", 1)
    assert 'failures="1"' in junit.read_text()


def test_detect_tells_cnis_and_technologies(cluster: FakeCluster, command: Command) -> None:
    cluster.add(
        objects.node("n", annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}),
        objects.config_map("cilium-config", {"routing-mode": "native"}),
    )
    ran = command("cni", "detect")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert "Flannel in charge annotation `flannel.alpha.coreos.com/backend-type` on node `n`" in lines
    assert "VXLAN Flannel node `n` is annotated with the back-end `vxlan`" in lines
    assert command("cni", "detect", "--node-image", "x").code == 2
    assert len(command("cni", "detect", "-o", "json").json["data"]["technologies"]) == 13


def test_detect_ends_with_7_where_something_could_not_be_read(nodes: FakeCluster, command: Command) -> None:
    nodes.faults.append(Fault(pattern="GET .*/configmaps/kube-proxy", status=403, message="no"))
    broken = objects.pod("nodes-two", on="two", ready=False, waiting="ErrImagePull", message="no such image")
    nodes_answer(nodes, {"one": GOOD, "two": broken, "three": GOOD})
    ran = command("cni", "detect", "--node-checks", "--node-image", "example.org/tools:1", "-o", "json")
    assert ran.code == 7, ran.err
    assert ran.json["error"]["code"] == "partial"
    missing = ran.json["data"]["missing"]
    assert [line.partition(":")[0] for line in missing] == ["node `two`", "ConfigMap `kube-system/kube-proxy`"]
    assert ran.json["data"]["nodes_asked"] == 2


def test_compare_takes_names_in_any_spelling_and_suggests(tmp_path: Path) -> None:
    env = quiet_environ(tmp_path)
    ran = run("cni", "compare", "weave-net", "CILIUM", env=env)
    assert ran.out.splitlines()[0].split() == ["WEAVE", "NET", "CILIUM"]
    ran = run("cni", "compare", "flanel", env=env)
    assert (ran.code, "did you mean `Flannel`?" in ran.err) == (2, True)
    ran = run("cni", "compare", "--technologies", env=env)
    assert ran.out.splitlines()[0] == "UDP in user space"
    assert "seen by" in ran.out
