from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts, yaml_files
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs
from ciliumctl.clients.kube import CONFIG_MAPS, DEPLOYMENTS, PODS, name_of
from ciliumctl.hubble import metering
from ciliumctl.values.paths import put
from tests.integration.conftest import Cluster, MakeCluster, chart, eventually
from tests.world import stand_in

CHART = "1.15.6"
UI = "k8s-app=hubble-ui"
METRICS = "dns:query;ignoreAAAA,drop,httpV2:exemplars=true;labelsContext=source_ip,source_app"
EACH = ["dns:query;ignoreAAAA", "drop", "httpV2:exemplars=true;labelsContext=source_ip,source_app"]


def installed(cluster: Cluster, *more: str) -> Cluster:
    ran = cluster.run("install", "--chart", str(chart(CHART)), "--wait", *more)
    assert ran.code == 0, ran.err
    return cluster


def with_ui(cluster: Cluster) -> Cluster:
    installed(cluster)
    ran = cluster.run("hubble", "enable", "--ui")
    assert ran.code == 0, ran.err
    return cluster


def forwarded(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def asked(url: str) -> bytes:
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with local.open(url, timeout=30) as answer:
        page: bytes = answer.read()
    return page


def ui_pods(cluster: Cluster) -> list[str]:
    return [name_of(pod) for pod in cluster.kube.objects(PODS, "kube-system", labels=UI)]


def test_hubble_is_switched_on_part_by_part_and_never_off_by_the_way(lab: Cluster) -> None:
    installed(lab)
    ran = lab.run("hubble", "enable", "-o", "json")
    assert ran.code == 0, ran.err
    data = ran.json["data"]
    assert (data["outcome"], data["hubble"], data["relay"], data["ui"]) == ("changed", True, True, False)
    ran = lab.run("hubble", "enable", "--ui", "-o", "json")
    assert (ran.json["data"]["relay"], ran.json["data"]["ui"]) == (True, True)
    ran = lab.run("hubble", "enable", "-o", "json")
    assert (ran.code, ran.json["data"]["outcome"], ran.json["data"]["ui"]) == (0, "unchanged", True)
    assert [found["revision"] for found in lab.releases()] == ["3"]
    ran = lab.run("hubble", "status")
    assert ran.code == 0, ran.out
    ran = lab.run("hubble", "enable", "--metrics", METRICS, "-o", "json")
    assert (ran.code, ran.json["data"]["metrics"], ran.json["data"]["ui"]) == (0, EACH, True), ran.err
    config = lab.kube.get(CONFIG_MAPS, "cilium-config", "kube-system")["data"]
    assert config["hubble-metrics"].split() == EACH
    ran = lab.run("hubble", "disable", "-o", "json")
    assert (ran.code, ran.json["data"]["relay"], ran.json["data"]["ui"]) == (0, False, False)
    eventually(lambda: lab.kube.find(DEPLOYMENTS, "hubble-ui", "kube-system") is None)


@pytest.mark.parametrize("version", ["1.15.6", "1.20.0"])
def test_charts_hand_metrics_with_their_options_to_the_agents(programs: dict[str, Path], version: str) -> None:
    wanted = metering.Metrics(on=metering.parse(METRICS), open_metrics=True)
    values: dict[str, Any] = {}
    for path, value in metering.changes(charts.read(chart(version)).values, wanted).items():
        put(values, path, value)
    helm = Helm(HelmOptions(executable=str(programs["helm"])))
    text = helm.render(
        "cilium", str(chart(version)), Inputs(generated=values), namespace="kube-system", kube_version="1.30.0"
    )
    found = [one for one in yaml_files.parse_all(text) if one and one["kind"] in {"ConfigMap", "Service"}]
    data = next(one["data"] for one in found if one["metadata"]["name"] == "cilium-config")
    assert data["hubble-metrics"].split() == EACH
    assert (data["hubble-metrics-server"], data["enable-hubble-open-metrics"]) == (":9965", "true")
    assert any(one["kind"] == "Service" and one["metadata"]["name"] == "hubble-metrics" for one in found)


def test_the_values_of_the_installation_stay_when_hubble_is_switched(lab: Cluster) -> None:
    installed(lab, "--set", "debug.enabled=true")
    assert lab.run("hubble", "enable", "--no-wait").code == 0
    done = subprocess.run(
        [str(lab.helm), "get", "values", "cilium", "-n", "kube-system"],
        env=lab.environ,
        capture_output=True,
        check=True,
    )
    assert "debug:\n  enabled: true" in done.stdout.decode()


def test_the_page_answers_through_a_forwarded_port_until_ctrl_c(lab: Cluster) -> None:
    with_ui(lab)
    running = lab.start("hubble", "ui", ":80", "--no-open-browser")
    url = forwarded(running)
    assert asked(url) == stand_in.PAGE
    assert asked(url) == stand_in.PAGE
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=10)
    assert running.returncode == 0, err
    assert "Traceback" not in err


def test_the_forward_goes_on_when_the_pod_is_replaced(lab: Cluster) -> None:
    with_ui(lab)
    running = lab.start("hubble", "ui", ":80", "--no-open-browser")
    url = forwarded(running)
    assert asked(url) == stand_in.PAGE
    (before,) = ui_pods(lab)
    lab.kube.delete(PODS, before, "kube-system")
    eventually(lambda: before not in ui_pods(lab) and len(ui_pods(lab)) == 1)
    assert asked(url) == stand_in.PAGE
    assert running.poll() is None


def test_a_busy_port_says_who_asks_for_it(lab: Cluster) -> None:
    with_ui(lab)
    running = lab.start("hubble", "ui", ":80", "--no-open-browser")
    port = forwarded(running).rsplit(":", 1)[1]
    ran = lab.run("hubble", "ui", f"{port}:80", "--no-open-browser")
    assert ran.code == 2
    assert port in ran.err
    assert "the Hubble UI" in ran.err


def test_without_the_ui_the_command_that_switches_it_on_is_named(lab: Cluster) -> None:
    installed(lab)
    ran = lab.run("hubble", "ui", ":80", "--no-open-browser")
    assert ran.code == 5
    assert "`ciliumctl hubble enable --ui`" in ran.err
    assert "`ciliumctl hubble enable`" in lab.run("hubble", "port-forward", ":0").err


@pytest.fixture
def blinking(make_cluster: MakeCluster, tmp_path: Path) -> Iterator[Cluster]:
    with stand_in.page() as port:
        config = tmp_path / "forward.yaml"
        config.write_text(stand_in.forwarded_to(port), encoding="utf-8")
        yield make_cluster("blinking", "--nodes", "1", "--kwok-config", str(config))


def test_the_forward_goes_on_when_the_api_server_comes_back(blinking: Cluster) -> None:
    installed(blinking, "--set", "operator.replicas=1")
    assert blinking.run("hubble", "enable", "--ui").code == 0
    running = blinking.start("hubble", "ui", ":80", "--no-open-browser")
    url = forwarded(running)
    assert asked(url) == stand_in.PAGE
    with blinking.api_server_gone() as come_back:
        come_back()
        # How long an API server takes to start is not what this test is about.
        eventually(lambda: ui_pods(blinking), seconds=120)
        assert asked(url) == stand_in.PAGE
        assert running.poll() is None
        running.kill()
        running.communicate()
