"""Which versions are in play: this program, Helm, the API server, Cilium."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from ciliumctl import __version__, release
from ciliumctl.clients.kube import DAEMON_SETS, Kube, Manifest, Resource, dig
from ciliumctl.parallel import together
from ciliumctl.status.components import version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Versions without a leading `v`; empty for what is not there or was not asked.

    `chart` is the Helm release's, `agents` what the agents' image says: a Cilium of another tool has no release.
    """

    kind: ClassVar[str] = "Version"

    ciliumctl: str
    python: str
    helm: str = ""
    helm_path: str = ""
    kubernetes: str = ""
    context: str = ""
    chart: str = ""
    release_status: str = ""
    agents: str = ""

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


def here(helm: tuple[str, str]) -> Versions:
    """The versions on this machine. `helm` is its version and path."""
    return Versions(ciliumctl=__version__, python=platform.python_version(), helm=helm[0], helm_path=helm[1])


def with_cluster(mine: Versions, kube: Kube, *, name: str, namespace: str, storage: Resource) -> Versions:
    """The versions in the cluster, too. Three requests at once, and one for the release."""
    server, installed, agents = together(
        kube.version, partial(release.current, kube, name, namespace, storage), partial(running, kube, namespace)
    )
    return replace(
        mine,
        kubernetes=server.removeprefix("v"),
        context=kube.context,
        chart=installed.chart_version if installed else "",
        release_status=installed.status if installed else "",
        agents=agents,
    )


def running(kube: Kube, namespace: str) -> str:
    """Cilium's version by the image that its agents are to run; empty without agents. One request."""
    containers: list[Manifest] = dig(
        kube.find(DAEMON_SETS, "cilium", namespace), "spec", "template", "spec", "containers", default=[]
    )
    return version_of(dig(container, "image", default="") for container in containers)
