"""Encryption that is claimed and not done is seen on the wire, and encryption that is done is seen there, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ciliumctl.clients.kube import CONFIG_MAPS
from tests.cluster import encryption, images
from tests.e2e.conftest import Nodes

_NAME = "cilium-pod-to-pod-encryption"
_ARGUMENTS = (
    *("connectivity", "test", "--test", f"^{_NAME}$", "-o", "json"),
    *("--image", f"probe={images.PROBE}", "--image", f"tools={images.PROBE}"),
)


@pytest.fixture
def claimed(cluster: Nodes) -> Iterator[Nodes]:
    """Cilium's configuration says that WireGuard is on; the stand-ins do nothing about it."""
    kube = cluster.cluster.kube
    kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"enable-wireguard": "true"}}, "kube-system")
    yield cluster
    kube.patch(CONFIG_MAPS, "cilium-config", {"data": {"enable-wireguard": None}}, "kube-system")


def test_without_encryption_there_is_nothing_to_test(cluster: Nodes) -> None:
    ran = cluster.run(*_ARGUMENTS)
    (scenario,) = ran.json["data"]["scenarios"]
    assert (scenario["outcome"], scenario["reason"]) == ("skipped", "encryption is off")
    assert ran.code == 1, "a run in which nothing was tested is not good"


def test_encryption_that_is_claimed_and_not_done_is_seen_on_both_wires(claimed: Nodes) -> None:
    ran = claimed.run(*_ARGUMENTS)
    assert ran.code == 1, ran.err
    (scenario,) = ran.json["data"]["scenarios"]
    wires = [probe for probe in scenario["probes"] if probe["name"] == "what crosses the wire"]
    assert [(probe["source_node"], probe["ok"]) for probe in wires] == [("node-1", False), ("node-2", False)]
    for probe in wires:
        words = probe["seen"].split()
        assert (words[0], words[2]) == ("clear", "encrypted"), probe["seen"]
        assert int(words[1]) > 0, "the word was not seen on the wire"
        assert int(words[3]) == 0


def test_real_wireguard_between_the_nodes_passes(claimed: Nodes) -> None:
    with encryption.between_nodes(claimed.cluster):
        ran = claimed.run(*_ARGUMENTS)
    assert ran.code == 0, ran.out
