"""`ciliumctl monitoring`: metrics switched on and off, what answers, who reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Command
from tests.unit.monitoring.test_switching import defaults
from tests.world import monitored, objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.monitored import AGENT


def test_what_is_on_and_answers_is_shown_with_who_is_told(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    ran = command("monitoring", "status")
    assert ran.code == 0, ran.err
    rows = {line.split()[0]: line.split() for line in ran.out.splitlines() if line}
    assert rows["agent"][:5] == ["agent", "answers", "9962", "2/2", "2"]
    assert rows["agent"][-4:] == ["annotation", "of", "the", "pods"]
    assert rows["operator"][-1] == "nobody"
    assert rows["hubble"] == ["hubble", "off"]
    assert "nothing that reads metrics was found" in ran.out
    assert "hint: `ciliumctl monitoring enable` switches them on" in ran.out


def test_a_part_that_is_on_and_silent_is_a_no(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    del cluster.served["cilium-bbbbb", 9962]
    ran = command("monitoring", "status")
    assert ran.code == 1
    assert "partly" in ran.out
    assert "✗ agent: nothing listens at port 9962 of pod `cilium-bbbbb`" in ran.out


def test_what_is_served_must_be_metrics(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.served["cilium-operator-ccccc", 9963] = "<html>log in</html>"
    ran = command("monitoring", "status", "-o", "json")
    states = {one["component"]: one for one in ran.json["data"]["targets"]}
    assert (ran.code, ran.json["ok"], states["operator"]["state"]) == (1, False, "silent")
    assert "serves no metrics: line 1 is no metric" in states["operator"]["errors"][0]


def test_a_service_monitor_that_a_prometheus_takes_leads_to_the_agents(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster, annotated=False)
    monitored.with_operator(cluster, selector={"matchLabels": {"release": "prom"}}, labels={"release": "prom"})
    data = command("monitoring", "status", "-o", "json").json["data"]
    assert data["targets"][0]["told"] == ["ServiceMonitor cilium-agent"]
    assert data["scraping"]["monitors"] == [
        {
            "kind": "ServiceMonitor",
            "name": "cilium-agent",
            "namespace": "kube-system",
            "components": ["agent"],
            "taken_by": ["monitoring/k8s"],
        }
    ]
    assert data["scraping"]["lacking"] == []


@pytest.mark.parametrize("selector", [None, {"matchLabels": {"release": "other"}}])
def test_a_service_monitor_that_no_prometheus_takes_is_told_with_the_labels_to_set(
    cluster: FakeCluster, command: Command, selector: dict[str, Any] | None
) -> None:
    monitored.monitored(cluster, annotated=False)
    monitored.with_operator(cluster, selector=selector, labels={"release": "prom"})
    ran = command("monitoring", "status")
    assert "no Prometheus selects these ServiceMonitors: cilium-agent" in ran.out
    assert "Prometheus monitoring/k8s takes none of Cilium's monitors" in ran.out


def test_other_scrapers_are_found_by_their_label(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.add(objects.pod("vmagent-0", place="metrics", labels={"app.kubernetes.io/name": "vmagent"}))
    ran = command("monitoring", "status")
    assert "VictoriaMetrics' agent in namespace metrics: 1/1 pods ready" in ran.out
    assert "no scraper is told of operator" in ran.out


def test_what_may_not_be_looked_at_is_told_and_the_rest_is_shown(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.faults.append(Fault(pattern="GET /api/v1/pods", status=403, message="no"))
    ran = command("monitoring", "status")
    assert ran.code == 0
    assert "not looked at: pods: " in ran.out


def test_only_some_pods_of_many_are_asked(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    for number in range(20):
        cluster.add(objects.pod(f"cilium-{number:05}", on=f"node-{number:02}", labels=AGENT))
        cluster.served[f"cilium-{number:05}", 9962] = monitored.METRICS
    assert "5/5 of 22" in command("monitoring", "status").out
    assert "22/22" in command("monitoring", "status", "--nodes", "all").out
    assert "1/1 of 22" in command("monitoring", "status", "--nodes", "node-07").out


def test_a_part_of_which_no_pod_was_asked_is_not_said_to_answer(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.add(objects.pod("cilium-far00", on="far", labels=AGENT))
    cluster.served["cilium-far00", 9962] = monitored.METRICS
    ran = command("monitoring", "status", "--nodes", "far", "-o", "json")
    states = {one["component"]: one["state"] for one in ran.json["data"]["targets"]}
    assert (ran.code, states["agent"], states["operator"]) == (0, "answers", "not asked")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("status", "--nodes", "three"), 2, "no pod that serves metrics runs on a node `three`"),
        (("status", "-n", "elsewhere"), 5, "nothing of Cilium runs in namespace `elsewhere`"),
        (("enable", "--prometheus-operator", "--annotations"), 2, "scrapers are told in one way"),
        (("enable", "--hubble-metrics", "drops"), 2, "Hubble has no metric `drops`"),
        (("enable", "--labels", "release"), 2, "`release` is no label"),
        (("enable", "--prometheus-operator"), 3, "ServiceMonitors need the Prometheus operator"),
        (("disable",), 3, "Cilium belongs to something other than Helm"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cluster: FakeCluster, command: Command, arguments: tuple[str, ...], code: int, says: str
) -> None:
    monitored.monitored(cluster)
    cluster.add(objects.release(defaults=defaults()))
    ran = command("monitoring", *arguments)
    assert ran.code == code, ran.err
    assert says in ran.err


@pytest.fixture
def changeable(cluster: FakeCluster, stub_helm: Any) -> Any:
    """A release whose chart has metrics, and a helm that takes any change."""
    cluster.add(*objects.healthy_cilium(), objects.namespace("kube-system"), objects.release(defaults=defaults()))
    cluster.add(objects.daemon_set(annotations=objects.HELM_MARKS))
    stub_helm.answer_release(
        version=2,
        manifest=json.dumps(objects.config_map("cilium-config", objects.CILIUM_CONFIG)),
        config={"prometheus": {"enabled": True}, "hubble": {"metrics": {"enabled": ["drop"]}}},
        chart={"metadata": {"name": "cilium", "version": "1.15.6"}, "values": defaults()},
    )
    return stub_helm


def test_enabling_shows_what_changes_and_says_how_scrapers_are_told(changeable: Any, command: Command) -> None:
    ran = command("monitoring", "enable", "--hubble-metrics", "drop", "--no-wait", "--helm", str(changeable.path))
    assert ran.code == 0, ran.err
    assert "the Prometheus operator is not there: annotations, and no ServiceMonitors" in ran.err
    assert "prometheus.enabled" in ran.err
    assert "changed: agent on, operator on, envoy on, hubble on, relay off (revision 2)" in ran.out
    assert "scrapers are told by annotations; dashboards off" in ran.out


def test_a_dry_run_ends_with_the_plan(changeable: Any, command: Command) -> None:
    ran = command("monitoring", "enable", "--dry-run", "-o", "json", "--helm", str(changeable.path))
    assert (ran.code, ran.json["kind"]) == (0, "Plan")
    assert {change["key"] for change in ran.json["data"]["values"]} == {"hubble.metrics.enabled", "prometheus.enabled"}


def test_disabling_what_is_off_changes_nothing(changeable: Any, command: Command) -> None:
    ran = command("monitoring", "disable", "-o", "json", "--helm", str(changeable.path))
    assert (ran.code, ran.json["data"]["outcome"], ran.json["data"]["way"]) == (0, "unchanged", "")
    assert not changeable.calls


def test_without_the_right_to_look_it_is_refused(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.faults.append(Fault(pattern="GET .*/daemonsets", status=403, message="no"))
    assert command("monitoring", "status").code == 5


def test_dashboards_that_may_not_be_counted_are_told(cluster: FakeCluster, command: Command) -> None:
    monitored.monitored(cluster)
    cluster.faults.append(Fault(pattern="GET .*/configmaps$", status=403, message="no"))
    ran = command("monitoring", "status")
    assert ran.code == 0
    assert "not looked at: dashboards: " in ran.out
