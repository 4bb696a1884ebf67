"""A real Kubernetes control plane on this machine: etcd, API server, controller manager, scheduler."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ciliumctl import yaml_files
from ciliumctl.clients.kube import SERVICE_ACCOUNTS, ConnectOptions, connect
from ciliumctl.errors import ClusterError
from ciliumctl.lab.pki import Pki
from ciliumctl.lab.processes import Process, free_ports, start, wait_for
from ciliumctl.wait import Deadline

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# 198.18.0.0/15 is set aside for tests (RFC 2544): no network of anybody's can be mistaken for it.
SERVICE_RANGE = "198.18.0.0/20"
POD_RANGE = "198.19.0.0/16"
_NODE_RANGES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a control plane is laid out; the defaults are for loopback and simulated nodes."""

    name: str
    nodes: int
    bind: str = "127.0.0.1"
    advertise: str = "127.0.0.1"
    service_range: str = SERVICE_RANGE
    pod_range: str = POD_RANGE
    controller_flags: tuple[str, ...] = ()
    api_flags: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def addresses(self) -> list[str]:
        """What the serving certificate must be good for."""
        network = self.service_range.split(",", maxsplit=1)[0].split("/")[0]
        first = network.rsplit(".", 1)[0] + "." + str(int(network.rsplit(".", 1)[1]) + 1)
        return sorted({"127.0.0.1", self.advertise, first})

    @property
    def names(self) -> list[str]:
        """The names the serving certificate must be good for."""
        return ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A running control plane."""

    processes: tuple[Process, ...]
    server: str
    kubeconfig: Path


def bring_up(
    settings: Settings,
    folder: Path,
    programs: Mapping[str, Path],
    pki: Pki,
    *,
    deadline: Deadline,
    started: Callable[[Process], None],
    say: Callable[[str], None],
) -> ControlPlane:
    """Start everything and wait until the API server is ready.

    `started` is told of each process at once, so that the caller can end it whatever happens next.
    """
    logs, data = folder / "logs", folder / "data"
    logs.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    client_port, peer_port, api_port, controller_port, scheduler_port = free_ports(5)
    server = f"https://127.0.0.1:{api_port}"
    kubeconfig = _write_kubeconfig(folder / "admin.conf", settings.name, server, pki, settings.token)
    (folder / "tokens.csv").write_text(f'{settings.token},lab-admin,lab-admin,"system:masters"\n')
    (folder / "tokens.csv").chmod(0o600)
    processes: list[Process] = []

    def run(name: str, *flags: str) -> None:
        processes.append(start(name, [str(programs[name]), *flags], log=logs / f"{name}.log", started=started))

    etcd = f"http://127.0.0.1:{client_port}"
    say("etcd")
    run("etcd", *_etcd_flags(data / "etcd", etcd, f"http://127.0.0.1:{peer_port}"))
    say("API server")
    run("kube-apiserver", *_api_flags(settings, folder, etcd, api_port, pki))
    kube = connect(ConnectOptions(kubeconfig=str(kubeconfig), request_timeout=5.0))
    wait_for(processes, lambda: _refusal(lambda: kube.raw("/readyz")), deadline=deadline)
    say("controller manager and scheduler")
    run("kube-controller-manager", *_controller_flags(settings, data, kubeconfig, controller_port, pki))
    run("kube-scheduler", *_scheduler_flags(settings, data, kubeconfig, scheduler_port))
    # Pods can only be made once the controller manager has made their service account.
    wait_for(processes, lambda: _refusal(lambda: kube.get(SERVICE_ACCOUNTS, "default", "default")), deadline=deadline)
    return ControlPlane(processes=tuple(processes), server=server, kubeconfig=kubeconfig)


def _etcd_flags(data: Path, client: str, peer: str) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]


def _api_flags(settings: Settings, folder: Path, etcd: str, port: int, pki: Pki) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        f"--bind-address={settings.bind}",
        f"--advertise-address={settings.advertise}",
        f"--tls-cert-file={pki.cert}",
        f"--tls-private-key-file={pki.key}",
        f"--kubelet-certificate-authority={pki.ca}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={pki.accounts}",
        f"--service-account-signing-key-file={pki.accounts}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={settings.service_range}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
        # Exec, logs and port-forward go to the node's address: nobody resolves its name here.
        "--kubelet-preferred-address-types=InternalIP",
        # A throwaway cluster is made for crowds of simulated nodes.
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
        *settings.api_flags,
    ]


def _controller_flags(settings: Settings, data: Path, kubeconfig: Path, port: int, pki: Pki) -> list[str]:
    crowded = settings.nodes > _NODE_RANGES
    return [
        f"--kubeconfig={kubeconfig}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={data / 'controller-manager'}",
        f"--service-account-private-key-file={pki.accounts}",
        f"--root-ca-file={pki.ca}",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        f"--node-monitor-grace-period={'600s' if crowded else '120s'}",
        # Ranges of 32 addresses are enough for 2,000 simulated nodes; beyond that kwok hands out addresses itself.
        f"--allocate-node-cidrs={str(not crowded).lower()}",
        f"--cluster-cidr={settings.pod_range}",
        *(settings.controller_flags or ("--node-cidr-mask-size=27",)),
    ]


def _scheduler_flags(_settings: Settings, data: Path, kubeconfig: Path, port: int) -> list[str]:
    config = data / "scheduler.yaml"
    config.write_text(
        yaml_files.dump(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": False},
                "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 300, "burst": 600},
            }
        )
    )
    return [
        f"--config={config}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={data / 'scheduler'}",
    ]


def _write_kubeconfig(path: Path, name: str, server: str, pki: Pki, token: str) -> Path:
    import base64

    authority = base64.b64encode(pki.ca.read_bytes()).decode()
    path.touch(mode=0o600)
    path.write_text(
        yaml_files.dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            }
        )
    )
    return path


def _refusal(ask: Callable[[], object]) -> str:
    """Empty when the API server answers, else what is the matter."""
    try:
        ask()
    except ClusterError as error:
        return error.message
    return ""
