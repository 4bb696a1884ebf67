"""Real nodes: containerd, kubelet and kube-proxy, each in namespaces of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ciliumctl import yaml_files
from ciliumctl.lab.processes import Process, start
from tests.cluster import addresses, network
from tests.cluster.addresses import Address

HERE = Path(__file__).parent
SANDBOX = "registry.k8s.io/pause:3.10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a node is started with."""

    name: str
    cluster: str
    address: Address
    folder: Path
    kubeconfig: Path
    cert: Path
    key: Path
    programs: Mapping[str, Path]
    images: Sequence[Path]
    labels: Mapping[str, str] = field(default_factory=dict)


def up(wanted: Wanted, started: Callable[[Process], None]) -> Process:
    """Start a node in the network namespace of its name; it joins by itself."""
    wanted.folder.mkdir(parents=True, exist_ok=True)
    (wanted.folder / "containerd.toml").write_text(_containerd(wanted.folder), encoding="utf-8")
    (wanted.folder / "kubelet.yaml").write_text(yaml_files.dump(_kubelet(wanted)), encoding="utf-8")
    (wanted.folder / "kube-proxy.yaml").write_text(yaml_files.dump(_proxy(wanted)), encoding="utf-8")
    address = wanted.address
    environ = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "NODE": wanted.name,
        "HOME_": str(wanted.folder),
        "ADDRESSES": f"{address.v4},{address.v6}",
        "KUBECONFIG": str(wanted.kubeconfig),
        "KUBELET": str(wanted.programs["kubelet"]),
        "PROXY": str(wanted.programs["kube-proxy"]),
        "LABELS": ",".join(f"{key}={value}" for key, value in wanted.labels.items()),
        "IMAGES": " ".join(str(image) for image in wanted.images),
    }
    argv = [
        "nsenter",
        f"--net=/run/netns/{network.namespace(wanted.cluster, wanted.name)}",
        "unshare",
        *("--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
        *("bash", str(HERE / "node.sh")),
    ]
    return start(wanted.name, argv, log=wanted.folder / "node.log", environ=environ, started=started)


def _containerd(folder: Path) -> str:
    return f"""\
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX}"
  restrict_oom_score_adj = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _kubelet(wanted: Wanted) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{wanted.folder}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "clusterDNS": [addresses.DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/dev/null",
        "tlsCertFile": str(wanted.cert),
        "tlsPrivateKeyFile": str(wanted.key),
        "nodeStatusUpdateFrequency": "4s",
        "evictionHard": {},
        # Without control groups by quality of service, kubelet 1.34 dies of a nil pointer when it resizes a pod in place.
        "featureGates": {"InPlacePodVerticalScaling": False},
        "imageGCHighThresholdPercent": 100,
    }


def _proxy(wanted: Wanted) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": f"{addresses.PODS},{addresses.PODS6}",
        "clientConnection": {"kubeconfig": str(wanted.kubeconfig)},
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nodePortAddresses": ["primary"],
    }


def containerd_address(folder: Path) -> str:
    """Where a node's containerd listens."""
    return str(folder / "containerd.sock")
