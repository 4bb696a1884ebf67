"""`ciliumctl connectivity` against an API server in this process; traffic is for tests/e2e."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import POLICIES, FakeCluster
from tests.world.devices import device


def test_the_tests_are_listed_without_asking_the_cluster(cluster: FakeCluster, command: Command) -> None:
    ran = command("connectivity", "list", "--profile", "smoke")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split()[:3] == ["TEST", "PROFILE", "CATEGORY"]
    smoke = command("connectivity", "list", "--profile", "smoke", "-o", "name").out.split()
    full = command("connectivity", "list", "-o", "name").out.split()
    assert set(smoke) < set(full)
    assert "pod-to-pod" in smoke
    assert command("connectivity", "list", "--test", "^pod-to-pod$", "-o", "name").out == "pod-to-pod\n"
    left = command("connectivity", "list", "--skip", "policy", "-o", "name").out.split()
    assert left == [name for name in full if "policy" not in name]
    assert cluster.seen == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--test", "("), "`(` is no regular expression"),
        (("--test", "no-such-thing"), "no test has such a name"),
        (("--image", "probe"), "`--image probe` has no `=`"),
        (("--image", "other=x"), "no test uses an image `other`"),
        (("--external", "http://x"), "`http://x` is no host"),
        (("--external", "$(reboot)"), "`$(reboot)` is no host"),
        (("--external", "example.com:80"), "`example.com:80` is no host"),
        (("--external", "192.0.2.1:80"), "`192.0.2.1:80` is no host"),
        (("--external", "[2001:db8::1]"), "`[2001:db8::1]` is no host"),
        (("--external", "fe80::1%$(reboot)"), "is no host"),
        (("--ip-families", "ipv5"), "`ipv5` is no family of addresses"),
        (("--node-selector", "zone"), "`--node-selector zone` has no `=`"),
        (("--report", "html=x"), "`--report html=x` is not a report"),
        (("--report", "junit=/"), "`/` is a folder"),
        (("--report", "junit=/dev/null/x.xml"), "`/dev/null/x.xml` cannot be written: Not a directory"),
        (("--rerun-failed", "/none.json"), "`/none.json` cannot be read"),
        (("--profile", "most"), "most"),
        (("--retries", "11"), "11"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_made(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], words: str
) -> None:
    ran = command("connectivity", "test", *arguments)
    assert ran.code == 2, ran.err
    assert words in ran.err
    assert {seen.method for seen in cluster.seen} <= {"GET"}


@pytest.mark.parametrize(
    "arguments", [("--image", "other=x"), ("--test", "("), ("--report", "junit=/dev/null/x.xml")], ids=str
)
def test_what_makes_no_sense_is_told_before_the_cluster_is_asked_what_it_would_skip(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...]
) -> None:
    ran = command("connectivity", "test", "--list", *arguments)
    assert ran.code == 2, ran.err
    assert cluster.seen == []


def test_a_report_that_cannot_be_written_hides_neither_the_error_nor_the_other_report(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    cluster.add(objects.node("one", ready=False))
    second, full = tmp_path / "second.json", device(tmp_path, "full")
    reports = ("--report", f"junit={full}", "--report", f"json={second}")
    ran = command("connectivity", "test", *reports, "-o", "json")
    assert ran.code == 3, ran.err
    assert ran.json["error"]["code"] == "refused"
    assert json.loads(second.read_text())["error"]["code"] == "refused"
    assert f"a report could not be written: `{full}` (No space left on device)" in ran.err
    assert ran.err.index(str(full)) < ran.err.index("no node is ready")


def test_nodes_that_take_no_pods_are_told_and_reports_are_written(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    cluster.add(objects.node("one", ready=False))
    junit, page, data = tmp_path / "j.xml", tmp_path / "r.md", tmp_path / "r.json"
    reports = [f"junit={junit}", f"markdown={page}", f"json={data}"]
    ran = command("connectivity", "test", *[part for report in reports for part in ("--report", report)])
    assert ran.code == 3, ran.err
    assert "no node is ready and takes pods" in ran.err
    assert ET.parse(junit).getroot().get("errors") == "1"  # noqa: S314 - our own
    assert "no node is ready" in page.read_text()
    written = json.loads(data.read_text())
    assert (written["kind"], written["ok"], written["error"]["code"]) == ("Connectivity", False, "refused")


def test_nothing_to_run_again_is_said_and_no_cluster_is_asked(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"kind": "Connectivity", "data": {"scenarios": [{"name": "a", "outcome": "passed"}]}}))
    ran = command("connectivity", "test", "--rerun-failed", str(file))
    assert ran.code == 0
    assert cluster.seen == []
    assert ran.out == "nothing failed in that run: there is nothing to repeat\n"
    ran = command("connectivity", "test", "--rerun-failed", str(file), "-o", "json")
    assert (ran.code, ran.json["ok"], ran.json["data"]["repeated"]) == (0, True, True)


def test_cleanup_removes_what_is_old_and_asks_about_what_may_be_in_use(cluster: FakeCluster, command: Command) -> None:
    assert "nothing of a connectivity test is there" in command("connectivity", "cleanup").out
    cluster.add(_namespace("ciliumctl-test-old-0", "2020-01-01T00:00:00+00:00"))
    ran = command("connectivity", "cleanup")
    assert ran.code == 0, ran.err
    assert ran.out == "removed: namespace ciliumctl-test-old-0\n"
    cluster.add(_namespace("ciliumctl-test-new-0", "2999-01-01T00:00:00+00:00"))
    ran = command("connectivity", "cleanup")
    assert ran.code == 3
    assert "`ciliumctl-test-new-0` is of jane@there and may be in use" in ran.err
    assert command("connectivity", "cleanup", "--yes").code == 0


def test_cleanup_removes_what_a_killed_run_left_outside_of_namespaces(cluster: FakeCluster, command: Command) -> None:
    kinds = [
        POLICIES[1],
        ("cilium.io", "v2", "ciliumegressgatewaypolicies", "CiliumEgressGatewayPolicy", False),
        ("cilium.io", "v2", "ciliumcidrgroups", "CiliumCIDRGroup", False),
    ]
    cluster.kinds += kinds
    for _group, _version, _plural, kind, _namespaced in kinds:
        for name, labels in (("ours", {"ciliumctl.io/connectivity": "policy"}), ("somebody-s", {})):
            meta = {"name": name, "labels": labels}
            cluster.add({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": meta, "spec": {}})
    ran = command("connectivity", "cleanup")
    assert ran.code == 0, ran.err
    assert ran.out == (
        "removed: ciliumclusterwidenetworkpolicies.cilium.io/ours\n"
        "removed: ciliumegressgatewaypolicies.cilium.io/ours\n"
        "removed: ciliumcidrgroups.cilium.io/ours\n"
    )
    assert command("connectivity", "cleanup").out == "nothing of a connectivity test is there\n"
    for _group, _version, plural, _kind, _namespaced in kinds:
        assert [one["metadata"]["name"] for one in cluster.all(plural)] == ["somebody-s"]


def _namespace(name: str, expires: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"ciliumctl.io/connectivity": "abc"},
            "annotations": {"ciliumctl.io/expires": expires, "ciliumctl.io/owner": "jane@there"},
        },
    }


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "2001:db8::1", "none"])
def test_a_host_outside_is_a_name_or_an_address(cluster: FakeCluster, command: Command, host: str) -> None:
    cluster.add(objects.node("one"))
    ran = command("connectivity", "test", "--list", "--external", host)
    assert ran.code == 0, ran.err


def test_what_would_run_is_listed_without_making_anything(cluster: FakeCluster, command: Command) -> None:
    cluster.add(objects.node("one"))
    ran = command("connectivity", "test", "--list", "--profile", "full")
    assert ran.code == 0, ran.err
    assert "skipped here: there is only one node for it" in ran.out
    names = command("connectivity", "test", "--list", "-o", "name").out.split()
    assert names == command("connectivity", "list", "--profile", "smoke", "-o", "name").out.split()
    assert {seen.method for seen in cluster.seen} == {"GET"}


def test_when_everything_would_be_skipped_no_pod_is_made(
    cluster: FakeCluster, command: Command, tmp_path: Path
) -> None:
    cluster.add(objects.node("one"))
    junit = tmp_path / "j.xml"
    ran = command("connectivity", "test", "--test", "^host-to-host$", "--report", f"junit={junit}")
    assert ran.code == 1, ran.err
    assert "there is only one node for it" in ran.out
    assert ET.parse(junit).getroot().get("errors") == "1"  # noqa: S314 - our own
    assert {seen.method for seen in cluster.seen} == {"GET"}
