"""From real Flannel to the stand-in for Cilium, node by node, while pods on both nodes ask each other without a pause."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ciliumctl.clients.kube import DAEMON_SETS, NAMESPACES, NODES, annotations_of, dig, labels_of
from ciliumctl.errors import Locked
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll
from tests.cluster import cluster as real
from tests.cluster import dns, flannel, images, leftovers
from tests.cluster.enforcer import Enforcer
from tests.e2e import asking
from tests.e2e.asking import Asked
from tests.e2e.conftest import CACHE, CHART, VALUES, Nodes, environ_for
from tests.world.run import Ran

NAME = "e2e-migrate"
RANGE = "198.18.64.0/18"
#: Beginnings of pods' addresses, by their network.
NETWORKS = {"Flannel": "198.19.", "Cilium": "198.18.6"}
IMAGES = ("--image", f"probe={images.PROBE}", "--image", f"tools={images.PROBE}")
BACKENDS: tuple[flannel.Backend, ...] = ("vxlan", "host-gw")


@dataclass(kw_only=True)
class Tour:
    """A whole migration, and what was seen on its way."""

    nodes: Nodes
    backend: str
    #: From which moment on requests count.
    since: float
    ran: dict[str, Ran] = field(default_factory=dict)
    #: Per step, what `migrate status` said after it.
    stood: dict[str, dict[str, str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    asked: Asked | None = None

    def do(self, step: str, *arguments: str) -> Ran:
        """Run a command of the migration, keep what came of it and where the nodes stand."""
        done = self.nodes.run("migrate", *arguments, timeout=900.0)
        self.ran[step] = done
        self.look(step)
        return done

    def look(self, step: str) -> None:
        said = self.nodes.run("migrate", "status", "-o", "json").json["data"]
        self.stood[step] = {one["node"]: one["phase"] for one in said["nodes"]}


@pytest.fixture(scope="module", params=BACKENDS)
def tour(request: pytest.FixtureRequest, machine_for_nodes: None) -> Iterator[Tour]:
    """Flannel with one of its back-ends; then everything that the how-to says, and a run that is interrupted."""
    del machine_for_nodes
    if not CHART.is_file():
        pytest.skip(f"Cilium's chart is not at `{CHART}`")
    try:
        with real.alone(NAME) as folder:
            running = real.up(
                NAME,
                folder,
                count=2,
                bins=CACHE / "bin",
                charts=[CHART],
                report=Reporter(lambda _event: None),
                more=lambda bins: [flannel.image(flannel.build(bins))],
            )
            try:
                flannel.deploy(running.kube, request.param)
                assert dns.wait(running.kube, Deadline.after(60)), "DNS did not get ready"
                since = asking.deploy(running.kube, folder)
                nodes = Nodes(cluster=running, enforcer=Enforcer(running), environ=environ_for(running))
                tour = Tour(nodes=nodes, backend=request.param, since=since)
                _go(tour)
                yield tour
            finally:
                real.down(NAME, folder)
            assert leftovers.traces(NAME, folder) == []
    except Locked as error:
        pytest.skip(error.message)


def _go(tour: Tour) -> None:
    """The whole way: with VXLAN tested node by node, with host-gw by its traffic alone."""
    first, second = tour.nodes.cluster.nodes
    tests = IMAGES if tour.backend == "vxlan" else ("--no-test",)
    tour.do("plan", "plan", "--from", "flannel", "-f", str(VALUES), "-o", "json")
    begin = ("start", "--chart", str(CHART), "-f", str(VALUES), "--pod-cidr", RANGE, "--wait-duration", "10m")
    tour.do("unasked", *begin)
    tour.do("start", *begin, "--yes", "-o", "json")
    tour.do("again", *begin, "--yes", "-o", "json")
    if tour.backend == "vxlan":
        _interrupted(tour, first)
    tour.do("first", "node", first, "--yes", "-o", "json", *tests)
    if tour.backend == "host-gw":
        tour.do("undo", "undo", first, "--yes", "-o", "json", "--no-test")
    tour.do("early", "finish", "--confirm", "e2e-migrate")
    tour.do("all", "node", "--all", "--yes", "-o", "json", *tests)
    tour.do("preview", "finish", "--dry-run", "-o", "json")
    tour.do("unconfirmed", "finish", "--yes")
    tour.do("finish", "finish", "--confirm", tour.nodes.cluster.kube.context, "-o", "json")
    tour.asked = asking.read(tour.nodes.cluster.folder, NETWORKS, tour.since)
    for node in (first, second):
        rules = tour.nodes.cluster.inside(node, "nft", "list", "tables")
        tour.routes[node] = tour.nodes.cluster.inside(node, "ip", "route")
        tour.links[node] = tour.nodes.cluster.inside(node, "ip", "-br", "link") + rules
    sys.stdout.write(f"{tour.backend}: {tour.asked}\n")
    for line in tour.asked.failed[:20]:
        sys.stdout.write(f"  {line}\n")


def _interrupted(tour: Tour, node: str) -> None:
    """Ctrl-C while the agent of the node restarts."""
    kube = tour.nodes.cluster.kube
    argv = tour.nodes.argv("migrate", "node", node, "--yes", "--no-test")
    with subprocess.Popen(
        argv, env=tour.nodes.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tour.nodes.cluster.folder
    ) as running:
        labelled = poll(
            lambda: "io.cilium.migration/cilium-default" in labels_of(kube.get(NODES, node)),
            bool,
            deadline=Deadline.after(240),
            interval=0.1,
        )
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert labelled, err.decode()
    tour.ran["interrupted"] = Ran(code=running.returncode, out=out.decode(), err=err.decode())
    tour.look("interrupted")


def test_the_plan_finds_flannels_back_end_and_its_range(tour: Tour) -> None:
    old = tour.ran["plan"].json["data"]["old"]
    assert (old["backend"], old["ranges"]) == (tour.backend, ["198.19.0.0/16"])
    assert old["port"] == (8472 if tour.backend == "vxlan" else 0)
    assert tour.ran["plan"].code == 0, tour.ran["plan"].err


def test_nothing_begins_without_a_yes(tour: Tour) -> None:
    assert tour.ran["unasked"].code == 3
    assert set(tour.stood["unasked"].values()) == {"waiting"}


def test_cilium_beside_flannel_moves_no_node_and_a_second_start_changes_nothing(tour: Tour) -> None:
    assert tour.ran["start"].code == 0, tour.ran["start"].err
    assert tour.ran["again"].json["data"]["outcome"] == "unchanged", tour.ran["again"].err
    assert set(tour.stood["again"].values()) == {"waiting"}


def test_a_node_whose_turn_was_interrupted_goes_on(tour: Tour) -> None:
    first, second = tour.nodes.cluster.nodes
    if tour.backend == "vxlan":
        assert tour.ran["interrupted"].code == 130, tour.ran["interrupted"].err
        assert f"`ciliumctl migrate node {first}` goes on" in tour.ran["interrupted"].err
        assert tour.stood["interrupted"] == {first: "moving", second: "waiting"}
    assert tour.ran["first"].code == 0, tour.ran["first"].err
    assert tour.stood["first"] == {first: "migrated", second: "waiting"}


def test_each_node_is_tested_with_one_of_the_other_network(tour: Tour) -> None:
    if tour.backend != "vxlan":
        pytest.skip("with host-gw its traffic alone is looked at")
    gates = [run for step in ("first", "all") for one in tour.ran[step].json["data"]["nodes"] for run in one["gates"]]
    assert [run["peer_network"] for run in gates] == ["Flannel", "Cilium"]
    assert all(run["passed"] >= 10 and not run["failed"] for run in gates)


def test_a_node_can_be_put_back(tour: Tour) -> None:
    if tour.backend != "host-gw":
        pytest.skip("with vxlan the way goes straight on")
    assert tour.ran["undo"].code == 0, tour.ran["undo"].err
    assert set(tour.stood["undo"].values()) == {"waiting"}


def test_it_does_not_end_before_all_nodes_are_done_nor_without_the_contexts_name(tour: Tour) -> None:
    assert tour.ran["early"].code == 3
    assert "nodes are not migrated" in tour.ran["early"].err
    assert tour.ran["unconfirmed"].code == 3
    assert "--confirm" in tour.ran["unconfirmed"].err


def test_at_the_end_nothing_of_flannel_is_left(tour: Tour) -> None:
    assert tour.ran["finish"].code == 0, tour.ran["finish"].err
    kube = tour.nodes.cluster.kube
    assert kube.find(DAEMON_SETS, "kube-flannel-ds", flannel.SPACE) is None
    gone = poll(lambda: kube.find(NAMESPACES, flannel.SPACE) is None, bool, deadline=Deadline.after(30), interval=0.5)
    assert gone
    for node in tour.nodes.cluster.nodes:
        assert "flannel" not in tour.links[node]
        assert "cni0" not in tour.links[node]
        # With host-gw they lead over the nodes' own link, which stays.
        assert not [line for line in tour.routes[node].splitlines() if line.startswith(NETWORKS["Flannel"])]
        there = kube.get(NODES, node)
        marks = json.dumps([labels_of(there), annotations_of(there)])
        assert "flannel" not in marks
        assert "migration" not in marks
        assert not dig(there, "spec", "unschedulable", default=False)


def test_traffic_flowed_all_the_way_between_both_networks(tour: Tour) -> None:
    assert tour.asked is not None
    assert tour.asked.total > 500
    assert {("Flannel", "Flannel"), ("Flannel", "Cilium"), ("Cilium", "Flannel"), ("Cilium", "Cilium")} <= set(
        tour.asked.ways
    )
    # A request may be on its way to a server at the very moment in which the last rule that leads there goes.
    assert len(tour.asked.failed) <= tour.asked.total // 500, str(tour.asked)
