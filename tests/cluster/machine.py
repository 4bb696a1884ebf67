"""What the machine must have for real nodes: root, namespaces of its own, and Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ciliumctl.errors import Missing

#: Debian packages, with one program that each brings.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "busybox-static": "busybox",
    "nftables": "nft",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "bash": "bash",
    "curl": "curl",
    "jq": "jq",
    "bind9-dnsutils": "dig",
    "iputils-ping": "ping",
    "socat": "socat",
    "iperf3": "iperf3",
    "tcpdump": "tcpdump",
    "python3": "/usr/bin/python3",
    "netcat-openbsd": "nc.openbsd",
    "wireguard-tools": "wg",
    "wireguard-go": "wireguard-go",
    "python3-grpcio": "/usr/lib/python3/dist-packages/grpc/__init__.py",
}

PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "true")


def check() -> None:
    """Raises `Missing`, with everything that is in the way, when real nodes cannot run here."""
    why = []
    if os.geteuid() != 0:
        why.append("this user is not root")
    elif subprocess.run(_NAMESPACES, check=False, capture_output=True).returncode:
        why.append("this machine allows no namespaces of one's own")
    lacking = missing()
    if lacking and not (os.geteuid() == 0 and shutil.which("apt-get")):
        why.append(f"these packages are missing: {', '.join(lacking)}")
    if why:
        raise Missing(
            f"real nodes cannot run here: {'; '.join(why)}",
            hint="run it as root on Debian or Ubuntu; `ciliumctl lab up --provider simulated` needs neither",
        )


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """The packages that are not installed."""
    return [
        name
        for name, program in packages.items()
        if not (Path(program).exists() if program.startswith("/") else shutil.which(program, path=PATHS))
    ]


def install_packages(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """Install what is missing, with apt; returns what was."""
    lacking = missing(packages)
    if lacking:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=environ, check=True, stdout=subprocess.DEVNULL)
        argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *lacking]
        subprocess.run(argv, env=environ, check=True, stdout=subprocess.DEVNULL)
    return lacking
