"""The objects of a test bed: small pods under the `restricted` Pod Security level, and services before them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.kube import Manifest
from ciliumctl.connectivity.commands import HTTP, OTHER, UDP
from ciliumctl.connectivity.model import Group, World
from ciliumctl.connectivity.session import Run
from ciliumctl.errors import UsageError

#: Ports of the pods in the host's network; Kubernetes' own and common daemons use none of them.
HOST_HTTP, HOST_UDP, HOST_PORT = 38080, 38081, 38090
#: Where the pod `tls` serves TLS.
TLS = 8443
#: What the pod `limited` may send, in Mbit/s.
LIMIT = 10
_USER = 65532
#: Groups of pods that need a namespace of the `privileged` level.
IN_HOST_NAMESPACE: frozenset[Group] = frozenset({"hosts", "sniffers", "outside"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the bed is made. `images` by name, `tolerations` as Kubernetes has them.

    `nodes` are the nodes that take part, the one that asks first; the first ones that take pods where none is named.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    pull_secret: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()
    nodes: tuple[str, ...] = ()
    single_node: bool = False
    families: tuple[int, ...] = (4, 6)
    external: str = ""

    def image(self, name: str) -> str:
        """The reference of an image."""
        if name in self.images:
            return self.images[name]
        found: str = templates.load("connectivity/images.yaml")[name]
        if not self.registry:
            return found
        _host, _slash, path = found.partition("/")
        return f"{self.registry.rstrip('/')}/{path}"

    def fingerprint(self, nodes: Sequence[str]) -> str:
        """What pods on these nodes are like: a kept bed with another one is not used again."""
        images = [self.image("probe"), self.image("tools")]
        said = json.dumps([list(nodes), images, self.pull_secret, list(self.tolerations)], default=dict)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def check(self) -> None:
        """Raises `UsageError` for an image that no test uses."""
        known = templates.load("connectivity/images.yaml")
        for name in self.images:
            if name not in known:
                raise UsageError(f"no test uses an image `{name}`", hint=f"the images are {', '.join(known)}")


def namespace(name: str, run: Run, *, level: str = "restricted") -> Manifest:
    """A namespace with its owner, its expiry and its Pod Security level."""
    labels = {**run.labels, "pod-security.kubernetes.io/enforce": level}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": run.annotations},
    }


def roles(world: World) -> dict[str, str]:
    """The pods of a lane and the node of each: two that ask and one that answers on the first, two on the second."""
    first = world.nodes[0].name
    placed = {"client": first, "other": first, "near": first}
    if world.two_nodes:
        second = world.nodes[1].name
        placed |= {"far-client": second, "far": second}
    return placed


def pod(role: str, node: str, run: Run, settings: Settings) -> Manifest:
    """A pod of a lane: it serves on all ports, and can ask."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": role, "labels": labels(role, run)},
        "spec": {
            **placed(node, settings),
            "serviceAccountName": account_of(role),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
                # Lets a process without rights send ICMP echo requests; a "safe" sysctl.
                "sysctls": [{"name": "net.ipv4.ping_group_range", "value": "0 2147483647"}],
            },
            "containers": [
                _container("server", settings.image("probe"), HTTP, UDP, names=True),
                _container("second", settings.image("probe"), OTHER, OTHER + 1),
            ],
        },
    }


def labels(role: str, run: Run) -> dict[str, str]:
    """What policies and services select by."""
    kind = "server" if role in {"near", "far"} else "client"
    return {**run.labels, "role": role, "kind": kind}


def account_of(role: str) -> str:
    """The service account of a lane's pod: policies can select by it. No pod gets its token."""
    return "server" if role in {"near", "far"} else role if role == "client" else "others"


def accounts(run: Run) -> list[Manifest]:
    """The service accounts of a lane; pods cannot be made before them."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "labels": run.labels},
            "automountServiceAccountToken": False,
        }
        for name in ("server", "client", "others")
    ]


def placed(node: str, settings: Settings) -> dict[str, Any]:
    """On that node and nowhere else, by the scheduler: its words are heard when it does not fit."""
    field_ = {"key": "metadata.name", "operator": "In", "values": [node]}
    spec: dict[str, Any] = {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field_]}]}
            }
        },
        "tolerations": list(settings.tolerations),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
    }
    if settings.pull_secret:
        spec["imagePullSecrets"] = [{"name": settings.pull_secret}]
    return spec


def _container(name: str, image: str, http: int, udp: int, *, names: bool = False) -> dict[str, Any]:
    ports = [{"containerPort": http, "protocol": "TCP"}, {"containerPort": udp, "protocol": "UDP"}]
    if names:
        ports = [{**port, "name": name} for port, name in zip(ports, ("http", "udp"), strict=True)]
    return {
        "name": name,
        "image": image,
        "args": ["netexec", f"--http-port={http}", f"--udp-port={udp}"],
        "ports": ports,
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "192Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        # From inside: whether a node reaches its pods is for the tests to say.
        "startupProbe": {
            "exec": {"command": ["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{http}/healthz"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 60,
        },
    }


def _of_one(role: str, node: str, run: Run, settings: Settings, container: Mapping[str, Any], **more: Any) -> Manifest:
    """A pod of one container in the namespace for the hosts' network."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": role, "labels": labels(role, run)},
        "spec": {**placed(node, settings), **more, "containers": [container]},
    }


def host_pod(role: str, node: str, run: Run, settings: Settings) -> Manifest:
    """A pod in the host's network, as `host-1`."""
    container = _container("server", settings.image("probe"), HOST_HTTP, HOST_UDP)
    return _of_one(role, node, run, settings, container, hostNetwork=True)


def host_port_pod(role: str, node: str, run: Run, settings: Settings) -> Manifest:
    """A pod with a port of its node, as `port-1`."""
    container = _container("server", settings.image("probe"), HTTP, UDP)
    container["ports"] = [{"containerPort": HTTP, "hostPort": HOST_PORT, "protocol": "TCP"}]
    return _of_one(role, node, run, settings, container)


def sniffer_pod(role: str, node: str, run: Run, settings: Settings) -> Manifest:
    """A pod that sees what is on its node's wire, as `sniffer-1`; it captures only while it is asked to."""
    container = {
        "name": "server",
        "image": settings.image("tools"),
        "command": ["sleep", "infinity"],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "192Mi"}},
        # Some builds of tcpdump become another user by themselves, whom only KILL lets the shell end.
        "securityContext": {
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "NET_ADMIN", "SETUID", "SETGID", "KILL"]},
        },
    }
    return _of_one(role, node, run, settings, container, hostNetwork=True)


def outside_pod(node: str, run: Run, settings: Settings) -> Manifest:
    """A pod in the network of a node that the CNI leaves alone: what it asks comes from outside."""
    manifest = host_pod("outside", node, run, settings)
    # Such a node is tainted, and without a CNI it is not Ready.
    manifest["spec"]["tolerations"] = [{"operator": "Exists"}]
    return manifest


def limited_pod(node: str, run: Run, settings: Settings) -> Manifest:
    """A client that may send no more than `LIMIT` Mbit/s."""
    manifest = pod("limited", node, run, settings)
    manifest["metadata"]["annotations"] = {"kubernetes.io/egress-bandwidth": f"{LIMIT}M"}
    return manifest


def tls_pod(node: str, run: Run, settings: Settings) -> Manifest:
    """A server of TLS, with the certificate for `localhost` that the image has (agnhost's Dockerfile, "porter")."""
    manifest = pod("tls", node, run, settings)
    container = _container("server", settings.image("probe"), TLS, UDP)
    container["args"] += ["--tls-cert-file=/localhost.crt", "--tls-private-key-file=/localhost.key"]
    container["startupProbe"]["exec"]["command"] = ["curl", "-skf", f"https://127.0.0.1:{TLS}/healthz"]
    manifest["spec"]["containers"] = [container]
    return manifest


def host_pods(world: World, groups: frozenset[Group], run: Run, settings: Settings) -> list[Manifest]:
    """The pods of the namespace for the hosts' network, and those that are asked from another namespace."""
    found: list[Manifest] = []
    for number, node in enumerate(world.nodes, 1):
        if "hosts" in groups:
            found.append(host_pod(f"host-{number}", node.name, run, settings))
            found.append(host_port_pod(f"port-{number}", node.name, run, settings))
        if "sniffers" in groups:
            found.append(sniffer_pod(f"sniffer-{number}", node.name, run, settings))
    if "outside" in groups and world.outside is not None:
        found.append(outside_pod(world.outside.name, run, settings))
    return found


def services(world: World, run: Run, place: str) -> list[Manifest]:
    """The services of a lane."""
    backend = "far" if world.two_nodes else "near"
    found = [
        _service("near", run, {"role": "near"}),
        _service("all", run, {"kind": "server"}, type="NodePort"),
        _service("local", run, {"role": backend}, type="NodePort", externalTrafficPolicy="Local"),
        _service("sticky", run, {"kind": "server"}, sessionAffinity="ClientIP"),
        _service("headless", run, {"kind": "server"}, clusterIP="None"),
        _service("itself", run, {"role": "client"}),
        _service("nobody", run, {"role": "nobody"}),
        {
            **_meta("alias", run),
            "spec": {"type": "ExternalName", "externalName": f"near.{place}.svc.{world.domain}"},
        },
    ]
    if world.two_nodes:
        found.append(_service("far", run, {"role": "far"}))
    return found


def _meta(name: str, run: Run) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": run.labels}}


def _service(name: str, run: Run, selector: Mapping[str, str], **more: Any) -> Manifest:
    ports = [
        {"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"},
        {"name": "udp", "port": UDP, "targetPort": UDP, "protocol": "UDP"},
    ]
    chosen = {**run.labels, **selector}
    return {
        **_meta(name, run),
        "spec": {"selector": chosen, "ports": ports, "ipFamilyPolicy": "PreferDualStack", **more},
    }
