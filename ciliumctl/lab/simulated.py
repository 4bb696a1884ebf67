"""The `simulated` provider: a real control plane, and nodes that kwok pretends to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ciliumctl import templates
from ciliumctl.clients.helm import Helm
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import UsageError
from ciliumctl.lab import control_plane, nodes, pki
from ciliumctl.lab.processes import Process, free_ports, start, stop, wait_for
from ciliumctl.lab.state import Lab, Labs
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline

PROGRAMS = (*control_plane.PROGRAMS, "kwok")
MOST_NODES = 5000


def up(
    name: str,
    *,
    count: int,
    labs: Labs,
    programs: Mapping[str, Path],
    helm: Helm,
    kwok_configs: Sequence[Path],
    deadline: Deadline,
    report: Reporter,
) -> Lab:
    """Start a simulated lab. Whatever fails, what was started is ended again."""
    if not 1 <= count <= MOST_NODES:
        raise UsageError(f"a simulated lab has 1 to {MOST_NODES} nodes, not {count}", hint="change `--nodes`")
    lab = Lab(
        name=name,
        provider="simulated",
        nodes=count,
        kubernetes="",
        server="",
        context=name,
        kubeconfig=labs.folder(name) / "admin.conf",
        created=time.time(),
        complete=False,
    )
    labs.save(lab)
    started: list[Process] = []

    def keep(process: Process) -> None:
        nonlocal lab
        started.append(process)
        lab = labs.add_process(lab, process)

    try:
        folder = labs.folder(name)
        with report.step("Starting the control plane") as step:
            settings = control_plane.Settings(name=name, nodes=count)
            keys = pki.make(helm, folder / "pki", addresses=settings.addresses, names=settings.names)
            plane = control_plane.bring_up(settings, folder, programs, keys, deadline=deadline, started=keep, say=step)
            kube = connect(ConnectOptions(kubeconfig=str(plane.kubeconfig)))
            version = kube.version()
            step.finish(f"Kubernetes {version} at {plane.server}")
        with report.step(f"Simulating {count} node{'s' if count > 1 else ''}") as step:
            _start_kwok(folder, programs["kwok"], plane, keys, kwok_configs, count, keep)
            nodes.create(kube, count, lambda made: step(f"{made} of {count} created"))
            _wait_until_ready(kube, count, started, deadline)
            step.finish(f"{count} ready; they are simulated, no traffic flows")
    except BaseException:
        stop(started, grace=2.0)
        labs.remove(name)
        raise
    lab = replace(lab, server=plane.server, kubernetes=version.removeprefix("v"), complete=True)
    labs.save(lab)
    return lab


def _start_kwok(
    folder: Path,
    program: Path,
    plane: control_plane.ControlPlane,
    keys: pki.Pki,
    configs: Sequence[Path],
    count: int,
    started: Callable[[Process], None],
) -> None:
    (port,) = free_ports(1)
    crowded = count > 1000
    argv = [
        str(program),
        f"--kubeconfig={plane.kubeconfig}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={nodes.ANNOTATION}=fake",
        f"--node-lease-duration-seconds={300 if crowded else 60}",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--tls-cert-file={keys.cert}",
        f"--tls-private-key-file={keys.key}",
        f"--cidr={control_plane.POD_RANGE}",
    ]
    for config in (templates.path("lab/kwok.yaml"), *configs):
        argv += ["--config", str(config)]
    start("kwok", argv, log=folder / "logs" / "kwok.log", started=started)


def _wait_until_ready(kube: Kube, count: int, processes: Sequence[Process], deadline: Deadline) -> None:
    def missing() -> str:
        have = nodes.ready(kube)
        return "" if have >= count else f"{have} of {count} simulated nodes are ready"

    wait_for(processes, missing, deadline=deadline)
