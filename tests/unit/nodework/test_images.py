from __future__ import annotations

import os
from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Missing
from ciliumctl.nodework import image_of
from tests.world import objects
from tests.world.cluster import FakeCluster


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)


def test_the_image_asked_for_goes_before_all(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.daemon_set())
    assert image_of(kube, "kube-system", wanted="mirror.example/tools:1").image == "mirror.example/tools:1"


def test_the_rendered_agents_image_and_pull_secrets_go_before_the_clusters(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.daemon_set())
    rendered = objects.daemon_set(image="mirror.example/cilium:v1.20.0")
    rendered["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "regcred"}]
    found = image_of(kube, "kube-system", manifests=[rendered])
    assert (found.image, found.pull_secrets) == ("mirror.example/cilium:v1.20.0", ("regcred",))
    assert image_of(kube, "kube-system").image == "quay.io/cilium/cilium:v1.15.6"


def test_after_an_uninstallation_the_nodes_still_have_the_image(cluster: FakeCluster, kube: Kube) -> None:
    for number in range(3):
        node = objects.node(f"n{number}")
        version = "1.19.6" if number else "1.18.12"
        names = [f"quay.io/cilium/cilium@sha256:{'0' * 64}", f"quay.io/cilium/cilium:v{version}"]
        node["status"]["images"] = [{"names": ["quay.io/cilium/cilium-envoy:v1.34"]}, {"names": names}]
        cluster.add(node)
    assert image_of(kube, "kube-system").image == "quay.io/cilium/cilium:v1.19.6"


def test_without_any_image_the_option_is_named(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(objects.node("bare"))
    with pytest.raises(Missing) as raised:
        image_of(kube, "kube-system")
    assert "--node-image" in raised.value.hint
