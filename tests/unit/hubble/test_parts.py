from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import hubble, status
from ciliumctl.clients.kube import SECRETS, ConnectOptions, Kube, PodPort, connect
from ciliumctl.errors import NotFound
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.forwards import endpoints, service

WHERE = status.Where(namespace="kube-system", release="cilium", storage=SECRETS)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_a_forward_goes_to_a_ready_pod_and_the_pod_s_own_port(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(service("hubble-ui", 80), endpoints("hubble-ui", ("old", False), ("new", True)))
    assert hubble.ui_target(kube, "kube-system") == PodPort(namespace="kube-system", pod="new", port=8081)


def test_without_the_service_the_command_that_makes_it_is_named(kube: Kube) -> None:
    with pytest.raises(NotFound) as caught:
        hubble.ui_target(kube, "kube-system")
    assert "`ciliumctl hubble enable --ui`" in caught.value.hint
    with pytest.raises(NotFound) as caught:
        hubble.relay_target(kube, "kube-system")
    assert "`ciliumctl hubble enable`" in caught.value.hint


def test_without_a_ready_pod_the_status_is_named(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(service("hubble-ui", 80), endpoints("hubble-ui", ("old", False)))
    with pytest.raises(NotFound) as caught:
        hubble.ui_target(kube, "kube-system")
    assert "`ciliumctl status`" in caught.value.hint


def test_the_status_of_hubble_has_its_parts_only(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*objects.healthy_cilium())
    found = hubble.look(kube, WHERE)
    assert found.server
    assert (found.relay.state, found.ui.state) == ("disabled", "disabled")
    assert found.ok
