"""A cluster of real nodes: up, and down without a trace, also when something was killed half-way."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ciliumctl import tools
from ciliumctl.clients.helm import Helm, HelmOptions
from ciliumctl.clients.kube import NODES, ConnectOptions, Kube, connect
from ciliumctl.clients.web import Web
from ciliumctl.errors import LabFailed, Locked, NotFound
from ciliumctl.lab import control_plane, pki
from ciliumctl.lab.processes import Process, start
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll
from tests.cluster import addresses, dns, images, leftovers, machine, network, node
from tests.cluster.addresses import Address, Segment
from tests.world import agnhost

PROGRAMS = (*control_plane.PROGRAMS, "kubelet", "kube-proxy", "coredns", "helm")
#: The mark of a node that Cilium leaves alone, as the official CLI knows it.
ALONE = {"cilium.io/no-schedule": "true"}
_UP_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster. `folder` has all its files."""

    name: str
    folder: Path
    nodes: tuple[str, ...]
    kubeconfig: Path
    server: str
    segment: Segment
    processes: tuple[Process, ...] = ()
    programs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def kube(self) -> Kube:
        """A client with every right."""
        return connect(ConnectOptions(kubeconfig=str(self.kubeconfig)), os.environ)

    def running(self, node_name: str, program: str) -> list[Process]:
        """The processes of a node's `kubelet`, `kube-proxy` or `containerd`, to be stopped or killed by a test."""
        return leftovers.serving(program, self.folder / node_name)

    def inside(self, node_name: str, *argv: str, stdin: str = "", check: bool = True) -> str:
        """Run a program in the network namespace of a node, or of `outside`; returns what it said."""
        return network.inside(self.name, node_name, *argv, stdin=stdin, check=check)


def folder_of(name: str) -> Path:
    """Where a cluster's files are unless somebody says otherwise: always the same, so that `down` finds them."""
    return Path("/var/tmp") / f"ciliumctl-{name}"  # noqa: S108


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """The folder of a cluster that no other run has meanwhile.

    A folder of that name only: a run that was killed left its files there, by which the next one finds its processes.

    Raises:
        Locked: another run has it.
    """
    folder = folder_of(name)
    # The lock is the open file's, and goes with the process, however that ends.
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"another run has the nodes of `{name}`", hint="wait until it ends") from None
        yield folder


def load(folder: Path) -> Cluster:
    """The cluster whose files are in `folder`. Raises `NotFound`."""
    try:
        state = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(
            f"there is no cluster in `{folder}`", hint="start one with `python -m tests.cluster up`"
        ) from None
    return Cluster(
        name=state["name"],
        folder=folder,
        nodes=tuple(state["nodes"]),
        kubeconfig=Path(state["kubeconfig"]),
        server=state["server"],
        segment=Segment(**state["segment"]),
        processes=leftovers.recorded(state),
        programs={name: Path(path) for name, path in state["programs"].items()},
    )


def up(
    name: str,
    folder: Path,
    *,
    count: int,
    bins: Path,
    charts: Sequence[Path],
    report: Reporter,
    outside: bool = False,
    more: Callable[[Path], Sequence[images.Image]] = lambda _bins: (),
) -> Cluster:
    """Start a cluster of `count` real nodes without a CNI; what a killed run left under this name goes first.

    The images that `charts` of Cilium name are there as stand-ins. With `outside`, the host that plays the outside world
    is a node, too: one that Cilium leaves alone, from which pods ask as the world does. `more` makes further images,
    given where programs are built.

    Raises:
        Missing: this machine cannot do it.
    """
    machine.check()
    with report.step("Installing Debian packages") as step:
        step.finish(", ".join(machine.install_packages()) or "all there")
    down(name, folder)
    folder.mkdir(parents=True)
    programs = tools.programs(PROGRAMS, folder=bins, web=Web(environ=os.environ), report=report, environ=os.environ)
    programs["agnhost"] = agnhost.build(bins, environ=os.environ, report=report)
    cluster = Cluster(
        name=name,
        folder=folder,
        nodes=(),
        kubeconfig=folder / "nodes.conf",
        server="",
        segment=network.free_segment(),
        programs=programs,
    )
    try:
        pictures = [*images.stand_ins(charts, programs["helm"]), *more(bins)]
        return _bring_up(cluster, count, pictures, report, outside=outside)
    except BaseException:
        down(name, folder)
        raise


def _bring_up(
    cluster: Cluster, count: int, pictures: Sequence[images.Image], report: Reporter, *, outside: bool
) -> Cluster:
    def keep(process: Process) -> None:
        nonlocal cluster
        cluster = replace(cluster, processes=(*cluster.processes, process))
        _save(cluster)

    _save(cluster)
    network.bridge_up(cluster.name, cluster.segment)
    network.outside_up(cluster.name, cluster.segment)
    within = ["ip", "netns", "exec", network.namespace(cluster.name, network.OUTSIDE), sys.executable]
    start(
        "outside",
        [*within, str(Path(__file__).with_name("outside.py"))],
        log=cluster.folder / "outside.log",
        started=keep,
    )
    with report.step("Building images out of Debian's files"):
        picture = _pictures(cluster, pictures)
    with report.step("Starting the control plane"):
        cluster = _control_plane(cluster, count, keep)
    with report.step(f"Starting {count} nodes"):
        for number in range(1, count + 1):
            name = f"node-{number}"
            network.node_up(cluster.name, name, number, cluster.segment)
            node.up(_node(cluster, name, cluster.segment.node(number), picture), keep)
            cluster = replace(cluster, nodes=(*cluster.nodes, name))
        if outside:
            node.up(_node(cluster, network.OUTSIDE, cluster.segment.outside, picture, labels=ALONE), keep)
        _save(cluster)
        _wait_for_nodes(cluster, [*cluster.nodes, *([network.OUTSIDE] if outside else [])])
    dns.apply(cluster.kube, cluster.segment, replicas=min(count, 2))
    return cluster


def _pictures(cluster: Cluster, more: Sequence[images.Image]) -> Path:
    pause = images.Image(tags=(node.SANDBOX,), entrypoint=("/usr/bin/sleep", "infinity"))
    pictures = [pause, images.probe(cluster.programs["agnhost"]), images.dns(cluster.programs["coredns"]), *more]
    return images.archive(cluster.folder / "images.tar", pictures)


def _node(
    cluster: Cluster, name: str, address: Address, picture: Path, labels: Mapping[str, str] | None = None
) -> node.Wanted:
    return node.Wanted(
        name=name,
        cluster=cluster.name,
        address=address,
        labels=labels or {},
        folder=cluster.folder / name,
        kubeconfig=cluster.kubeconfig,
        cert=cluster.folder / "pki" / "server.crt",
        key=cluster.folder / "pki" / "server.key",
        programs=cluster.programs,
        images=[picture],
    )


def _control_plane(cluster: Cluster, count: int, keep: Callable[[Process], None]) -> Cluster:
    gateway = cluster.segment.gateway.v4
    settings = control_plane.Settings(
        name=cluster.name,
        nodes=count,
        bind="0.0.0.0",  # noqa: S104 - the nodes are in other network namespaces
        advertise=gateway,
        service_range=f"{addresses.SERVICES},{addresses.SERVICES6}",
        pod_range=f"{addresses.PODS},{addresses.PODS6}",
        controller_flags=("--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"),
    )
    keys = pki.make(
        Helm(HelmOptions(executable=str(cluster.programs["helm"])), environ=os.environ),
        cluster.folder / "pki",
        addresses=[
            *settings.addresses,
            *(cluster.segment.node(number).v4 for number in range(1, count + 1)),
            cluster.segment.outside.v4,
        ],
        names=settings.names,
    )
    plane = control_plane.bring_up(
        settings,
        cluster.folder,
        cluster.programs,
        keys,
        deadline=Deadline.after(_UP_SECONDS),
        started=keep,
        say=lambda _text: None,
    )
    # The nodes reach the API server through the bridge, this machine through loopback.
    server = plane.server.replace("127.0.0.1", gateway)
    text = plane.kubeconfig.read_text(encoding="utf-8").replace(plane.server, server)
    cluster.kubeconfig.touch(mode=0o600)
    cluster.kubeconfig.write_text(text, encoding="utf-8")
    return replace(load(cluster.folder), server=server)


def _wait_for_nodes(cluster: Cluster, names: Sequence[str]) -> None:
    kube = cluster.kube

    def missing() -> list[str]:
        known = {manifest["metadata"]["name"] for manifest in kube.objects(NODES)}
        return [name for name in names if name not in known or not (cluster.folder / name / "images-ready").exists()]

    late = poll(missing, lambda names: not names, deadline=Deadline.after(_UP_SECONDS), interval=0.2)
    if late:
        raise LabFailed(
            f"these nodes did not join in time: {', '.join(late)}", hint=f"their logs are below `{cluster.folder}`"
        )


def _save(cluster: Cluster) -> None:
    part = cluster.folder / "cluster.json.part"
    part.write_text(json.dumps(asdict(cluster), default=str, indent=2), encoding="utf-8")
    part.replace(cluster.folder / "cluster.json")


def down(name: str, folder: Path) -> None:
    """End everything of this cluster's: processes, mounts, namespaces, links, control groups, files."""
    leftovers.remove(name, folder)
