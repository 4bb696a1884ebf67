"""A cluster of real nodes: up, and down without a trace, also when something was killed half-way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ciliumctl import tools
from ciliumctl.clients.helm import Helm, HelmOptions
from ciliumctl.clients.kube import NODES, ConnectOptions, Kube, connect
from ciliumctl.clients.web import Web
from ciliumctl.lab import control_plane, pki
from ciliumctl.lab.processes import Process, stop
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll
from tests.cluster import addresses, images, machine, network, node

PROGRAMS = (*control_plane.PROGRAMS, "kubelet", "kube-proxy", "coredns", "helm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster. `folder` has all its files."""

    name: str
    folder: Path
    nodes: tuple[str, ...]
    kubeconfig: Path
    server: str
    processes: tuple[Process, ...] = ()

    @property
    def kube(self) -> Kube:
        """A client with every right."""
        return connect(ConnectOptions(kubeconfig=str(self.kubeconfig)), os.environ)


def up(
    name: str, folder: Path, *, count: int, bins: Path, pictures: Sequence[images.Image], report: Reporter
) -> Cluster:
    """Start a cluster of `count` real nodes without a CNI; what a killed run left under this name goes first.

    Raises:
        Missing: this machine cannot do it.
    """
    machine.check()
    with report.step("Installing Debian packages") as step:
        step.finish(", ".join(machine.install_packages()) or "all there")
    down(name, folder)
    folder.mkdir(parents=True)
    web = Web(environ=os.environ)
    programs = tools.programs(PROGRAMS, folder=bins, web=web, report=report, environ=os.environ)
    with report.step("Building images out of Debian's files"):
        pause = images.Image(tags=(node.SANDBOX,), entrypoint=("/usr/bin/sleep", "infinity"))
        picture = images.archive(folder / "images.tar", [pause, *pictures])
    cluster = Cluster(name=name, folder=folder, nodes=(), kubeconfig=folder / "nodes.conf", server="")

    def keep(process: Process) -> None:
        nonlocal cluster
        cluster = replace(cluster, processes=(*cluster.processes, process))
        _save(cluster)

    try:
        network.bridge_up(name)
        with report.step("Starting the control plane"):
            cluster = _control_plane(cluster, count, programs, keep, report)
        names = []
        with report.step(f"Starting {count} nodes"):
            for number in range(1, count + 1):
                wanted = node.Wanted(
                    cluster=name,
                    number=number,
                    folder=folder / f"node-{number}",
                    kubeconfig=cluster.kubeconfig,
                    cert=folder / "pki" / "server.crt",
                    key=folder / "pki" / "server.key",
                    programs=programs,
                    images=[picture],
                )
                node.up(wanted, keep)
                names.append(wanted.name)
            cluster = replace(cluster, nodes=tuple(names))
            _save(cluster)
            _wait_for_nodes(cluster)
    except BaseException:
        down(name, folder)
        raise
    return cluster


def _control_plane(
    cluster: Cluster,
    count: int,
    programs: dict[str, Path],
    keep: Callable[[Process], None],
    report: Reporter,
) -> Cluster:
    settings = control_plane.Settings(
        name=cluster.name,
        nodes=count,
        bind="0.0.0.0",  # noqa: S104 - the nodes are in other network namespaces
        advertise=addresses.GATEWAY,
        service_range=f"{addresses.SERVICES},{addresses.SERVICES6}",
        pod_range=f"{addresses.PODS},{addresses.PODS6}",
        controller_flags=("--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"),
    )
    names = [addresses.node(number).v4 for number in range(1, count + 1)]
    keys = pki.make(
        Helm(HelmOptions(executable=str(programs["helm"])), environ=os.environ),
        cluster.folder / "pki",
        addresses=[*settings.addresses, *names],
        names=settings.names,
    )
    plane = control_plane.bring_up(
        settings, cluster.folder, programs, keys, deadline=Deadline.after(120), started=keep, say=lambda _text: None
    )
    del report
    # The nodes reach the API server through the bridge, this machine through loopback.
    server = plane.server.replace("127.0.0.1", addresses.GATEWAY)
    text = plane.kubeconfig.read_text(encoding="utf-8").replace(plane.server, server)
    cluster.kubeconfig.touch(mode=0o600)
    cluster.kubeconfig.write_text(text, encoding="utf-8")
    state = json.loads((cluster.folder / "cluster.json").read_text())
    return replace(
        cluster,
        server=server,
        processes=tuple(Process(**{**entry, "log": Path(entry["log"])}) for entry in state["processes"]),
    )


def _wait_for_nodes(cluster: Cluster) -> None:
    kube = cluster.kube
    poll(
        lambda: len(list(kube.objects(NODES))),
        lambda n: n >= len(cluster.nodes),
        deadline=Deadline.after(120),
        interval=0.5,
    )
    poll(
        lambda: all((cluster.folder / name / "images-ready").exists() for name in cluster.nodes),
        bool,
        deadline=Deadline.after(120),
        interval=0.2,
    )


def _save(cluster: Cluster) -> None:
    part = cluster.folder / "cluster.json.part"
    part.write_text(json.dumps(asdict(cluster), default=str, indent=2), encoding="utf-8")
    part.replace(cluster.folder / "cluster.json")


def down(name: str, folder: Path) -> None:
    """End everything of this cluster's: processes, mounts, namespaces, links, files."""
    try:
        state = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        state = {"processes": []}
    stop([Process(**{**entry, "log": Path(entry["log"])}) for entry in state["processes"]], grace=1.0)
    network.down(name)
    for mount in reversed(_mounts_below(folder)):
        subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
