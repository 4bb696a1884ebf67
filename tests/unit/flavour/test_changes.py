from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.clients.kube import DAEMON_SETS, ConnectOptions, Kube, connect, dig
from ciliumctl.cni import AWS_SELECTOR
from ciliumctl.errors import OutsideError
from ciliumctl.flavour.changes import applied_changes, changes_for, needs_of
from ciliumctl.flavour.detect import detect
from tests.unit.flavour.test_detect import CLUSTERS, facts, node
from tests.world import objects
from tests.world.cluster import FakeCluster


def client(cluster: FakeCluster, folder: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})


def test_on_eks_the_aws_cni_is_retired_unless_it_is_chained() -> None:
    eks = CLUSTERS["eks"]
    (change,) = changes_for(detect(eks), eks, {})
    assert change.info.id == "aws-node"
    assert changes_for(detect(eks), eks, {"cni": {"chainingMode": "aws-cni"}}) == ()
    assert changes_for(detect(CLUSTERS["gke"]), CLUSTERS["gke"], {}) == ()


def test_the_change_is_made_found_again_and_undone(cluster: FakeCluster, tmp_path: Path) -> None:
    kube = client(cluster, tmp_path)
    cluster.add(objects.daemon_set("aws-node", image="amazon-k8s-cni:v1"))
    assert applied_changes(kube) == ()
    (change,) = changes_for(detect(CLUSTERS["eks"]), CLUSTERS["eks"], {})
    change.apply(kube)
    found = kube.get(DAEMON_SETS, "aws-node", "kube-system")
    assert dig(found, "spec", "template", "spec", "nodeSelector", default={}) == {AWS_SELECTOR: "true"}
    (again,) = applied_changes(kube)
    assert again.undo(kube)
    assert not again.undo(kube)
    found = kube.get(DAEMON_SETS, "aws-node", "kube-system")
    assert AWS_SELECTOR not in dig(found, "spec", "template", "spec", "nodeSelector", default={})
    assert applied_changes(kube) == ()


def test_on_gke_the_pod_range_is_asked_of_google_unless_it_was_given() -> None:
    gke = CLUSTERS["gke"]
    (need,) = needs_of(detect(gke), gke, {})
    assert need.command == ("gcloud", "container", "clusters", "list", "--project", "it", "--format", "json")
    assert needs_of(detect(gke), gke, {"ipv4NativeRoutingCIDR": "10.4.0.0/14"}) == ()
    assert needs_of(detect(facts(node())), facts(node()), {}) == ()


@pytest.mark.parametrize(
    ("answer", "code"),
    [("[]", 0), ("not json", 0), ("", 1), ('[{"endpoint": "198.51.100.9", "clusterIpv4Cidr": "10.4.0.0/14"}]', 0)],
)
def test_an_answer_of_the_cloud_that_does_not_help_says_how_to_give_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n")
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    gke = CLUSTERS["gke"]
    (need,) = needs_of(detect(gke), gke, {})
    with pytest.raises(OutsideError) as caught:
        need.ask()
    assert "--set ipv4NativeRoutingCIDR=CIDR" in caught.value.hint


def test_the_cloud_s_answer_for_this_cluster_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text('#!/bin/sh\necho \'[{"endpoint": "203.0.113.5", "clusterIpv4Cidr": "10.4.0.0/14"}]\'\n')
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    gke = CLUSTERS["gke"]
    (need,) = needs_of(detect(gke), gke, {})
    assert need.ask() == "10.4.0.0/14"
