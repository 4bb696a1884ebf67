"""Monitoring switched on and off by real Helm, with Cilium's oldest and newest chart at hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ciliumctl.clients.kube import CONFIG_MAPS, CRDS, DAEMON_SETS, annotations_of, dig, labels_of, name_of
from ciliumctl.monitoring.scrapers import SERVICE_MONITORS
from tests.integration.conftest import Cluster, chart, eventually

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "servicemonitors.monitoring.coreos.com",
        # The group is the project's own, and this one is not made by it.
        "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"},
    },
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"plural": "servicemonitors", "singular": "servicemonitor", "kind": "ServiceMonitor"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture
def without_operator(lab: Cluster) -> Iterator[Cluster]:
    """A cluster that has no kind for ServiceMonitors, before and after."""
    yield lab
    lab.kube.delete(CRDS, name_of(CRD))


def _operator_comes(cluster: Cluster) -> None:
    cluster.kube.create(CRDS, CRD)
    eventually(lambda: "v1" in cluster.kube.groups().get("monitoring.coreos.com", ()))


def _annotations(cluster: Cluster) -> dict[str, str]:
    return annotations_of(dig(cluster.kube.get(DAEMON_SETS, "cilium", "kube-system"), "spec", "template", default={}))


def _monitors(cluster: Cluster) -> dict[str, dict[str, str]]:
    return {name_of(one): labels_of(one) for one in cluster.kube.objects(SERVICE_MONITORS, "kube-system")}


def _installed(cluster: Cluster, version: str) -> None:
    ran = cluster.run("install", "--chart", str(chart(version)), "--skip-preflight", "all", "--no-wait")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("version", ["1.15.6", "1.20.0"])
def test_scrapers_are_told_by_annotations_until_the_operator_comes_and_then_by_service_monitors(
    without_operator: Cluster, version: str
) -> None:
    lab = without_operator
    _installed(lab, version)
    ran = lab.run("monitoring", "enable", "--prometheus-operator")
    assert (ran.code, "ServiceMonitors need the Prometheus operator" in ran.err) == (3, True)
    ran = lab.run("monitoring", "enable", "--no-wait", "--hubble-metrics", "drop,dns:query", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["way"], data["hubble_metrics"]) == ("annotations", ["drop", "dns:query"])
    assert data["parts"] == {"agent": True, "operator": True, "envoy": True, "hubble": True, "relay": False}
    assert _annotations(lab)["prometheus.io/port"] == "9962"
    config = lab.kube.get(CONFIG_MAPS, "cilium-config", "kube-system")["data"]
    assert config["hubble-metrics"].split() == ["drop", "dns:query"]
    assert lab.run("monitoring", "enable", "-o", "json").json["data"]["outcome"] == "unchanged"

    _operator_comes(lab)
    ran = lab.run("monitoring", "enable", "--labels", "release=prom", "--dashboards", "--no-wait", "-o", "json")
    assert (ran.code, ran.json["data"]["way"]) == (0, "prometheus-operator"), ran.err
    found = _monitors(lab)
    # Until 1.15 Envoy is a part of the agent, and so of its monitor.
    assert set(found) >= {"cilium-agent", "cilium-operator", "hubble"}
    assert all(labels["release"] == "prom" for labels in found.values())
    assert "prometheus.io/port" not in _annotations(lab)
    ran = lab.run("monitoring", "status", "-o", "json")
    told = {one["component"]: one["told"] for one in ran.json["data"]["targets"]}
    assert told["agent"] == ["ServiceMonitor cilium-agent"]
    # Of the whole chart: agents, operator and four of Hubble.
    assert ran.json["data"]["dashboards"] == 6

    ran = lab.run("monitoring", "disable", "--no-wait", "-o", "json")
    assert (ran.code, ran.json["data"]["way"]) == (0, ""), ran.err
    assert _monitors(lab) == {}
