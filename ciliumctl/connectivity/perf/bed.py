"""The pods that are measured: a server on each side, each with two programs of the tools image, and who asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from ciliumctl.clients.kube import NAMESPACES, PODS, Kube, Manifest, name_of
from ciliumctl.connectivity import deploy, session
from ciliumctl.connectivity.bed import Settings, namespace, placed
from ciliumctl.connectivity.model import Pod, World
from ciliumctl.connectivity.needs import two_nodes
from ciliumctl.errors import Forbidden, Invalid, OutsideError
from ciliumctl.parallel import gather, gather_all
from ciliumctl.report import Reporter

IMAGE = "tools"
#: Also ports of the nodes, where Kubernetes' own and common daemons use none of them.
THROUGHPUT, LATENCY = 38201, 38202
CLIENT = "client"
#: The container of the prober's server.
ANSWERS = "latency"
_SOURCE = "CILIUMCTL_PROBER"
#: Runs the prober out of the environment: an exec's command stays short.
PROBER = ("python3", "-c", f"import os; exec(os.environ['{_SOURCE}'])")
_USER = 65532
HINT = f"`--image {IMAGE}=REF` or `--registry PREFIX` name another image with `iperf3` and `python3` in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """What was made. `no_hosts` says why there are no pods in the hosts' network; empty when there are."""

    pods: Mapping[str, Pod]
    no_hosts: str = ""


def namespaces(run: session.Run, world: World) -> list[str]:
    """Those of a run: the pods', and the hosts' where there are two nodes."""
    found = [run.namespace(0)]
    return [*found, run.namespace(0, host=True)] if world.two_nodes else found


def make(kube: Kube, run: session.Run, world: World, settings: Settings, report: Reporter) -> Bed:
    """Make the pods and wait until every server listens.

    Raises:
        Forbidden: this user may not make them. OutsideError: a pod will never run. TimedOut: not in time.
    """
    nodes = {node.name: node for node in world.nodes}
    with report.step("Preparing the test bed") as step:
        step("namespaces and pods")
        place = run.namespace(0)
        kube.create(NAMESPACES, namespace(place, run))
        pods = [pod(role, node, run, settings) for role, node in roles(world).items()]
        gather_all([partial(kube.create, PODS, manifest, place) for manifest in pods])
        count, no_hosts = _hosts(kube, run, world, settings, report)
        try:
            ready = deploy.wait(kube, run, len(pods) + count, step)
        except OutsideError as error:
            error.hint = HINT
            raise
        step.finish(f"{len(ready)} pods on {' and '.join(nodes)}")
    return Bed(pods={name_of(one): deploy.pod_of(one, nodes) for one in ready}, no_hosts=no_hosts)


def _hosts(kube: Kube, run: session.Run, world: World, settings: Settings, report: Reporter) -> tuple[int, str]:
    """Make the pods in the hosts' network: how many there are, or why there is none."""
    if not world.two_nodes:
        return 0, two_nodes(world)
    place = run.namespace(0, host=True)
    pods = [host_pod(role, node, run, settings) for role, node in host_roles(world).items()]
    try:
        kube.create(NAMESPACES, namespace(place, run, level="privileged"))
        for manifest in pods:
            kube.create(PODS, manifest, place)
    except (Forbidden, Invalid) as error:
        report.warn(f"host to host is not measured, so there is no baseline: {error.message}", error.hint)
        gather([partial(kube.delete, NAMESPACES, place)])
        return 0, "pods in the host's network are not allowed here"
    return len(pods), ""


def roles(world: World) -> dict[str, str]:
    """The pods and the node of each: who asks and one that answers on the first node, one on the second."""
    first = world.nodes[0].name
    found = {CLIENT: first, "near": first}
    return {**found, "far": world.nodes[1].name} if world.two_nodes else found


def host_roles(world: World) -> dict[str, str]:
    """The same in the hosts' network."""
    return {f"host-{CLIENT}": world.nodes[0].name, "host-far": world.nodes[1].name}


def pod(role: str, node: str, run: session.Run, settings: Settings) -> Manifest:
    """A pod under the `restricted` Pod Security level."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": role, "labels": {**run.labels, "role": role}},
        "spec": {
            **placed(node, settings),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": _containers(role, settings.image(IMAGE)),
        },
    }


def answering(role: str, node: str, run: session.Run, settings: Settings) -> Manifest:
    """A pod that answers the prober, and asks with it."""
    manifest = pod(role, node, run, settings)
    containers = [one for one in manifest["spec"]["containers"] if one["name"] == ANSWERS]
    return {**manifest, "spec": {**manifest["spec"], "containers": containers}}


def host_pod(role: str, node: str, run: session.Run, settings: Settings) -> Manifest:
    """The same pod in its node's network."""
    manifest = pod(role, node, run, settings)
    manifest["spec"]["hostNetwork"] = True
    return manifest


def _containers(role: str, image: str) -> list[dict[str, Any]]:
    if role.endswith(CLIENT):
        # As long as a bed may be in use; what it measures with comes by exec.
        return [_container(CLIENT, image, ["sleep", f"{session.LIFE.total_seconds():.0f}"])]
    return [
        _container("throughput", image, ["iperf3", "--server", "--port", str(THROUGHPUT)], THROUGHPUT),
        _container(ANSWERS, image, [*PROBER, "serve", str(LATENCY)], LATENCY),
    ]


def _container(name: str, image: str, command: Sequence[str], port: int = 0) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "command": list(command),
        "env": environment(),
        # No limit on CPU: it would be what is measured.
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if port:
        container["ports"] = [{"containerPort": port, "protocol": "TCP"}]
        # A look at the kernel's table (0A is LISTEN): iperf3 takes a connection that says nothing for a broken client.
        listens = f"cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':{port:04X} [0-9A-F]*:0000 0A '"
        container["startupProbe"] = {
            "exec": {"command": ["sh", "-c", listens]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 60,
        }
    return container


def environment() -> list[dict[str, str]]:
    """What a container has the prober by."""
    return [{"name": _SOURCE, "value": source()}]


def source() -> str:
    """The prober's own text."""
    return (resources.files(__package__) / "prober.py").read_text(encoding="utf-8")
