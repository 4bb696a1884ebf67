"""What a kind of cluster needs beyond values: changes to objects that are not the chart's, made with consent."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ciliumctl.clients.kube import DAEMON_SETS, Kube, annotations_of, dig
from ciliumctl.cni import AWS_SELECTOR
from ciliumctl.errors import OutsideError
from ciliumctl.flavour.detect import Detection
from ciliumctl.flavour.facts import Facts
from ciliumctl.values.paths import get

_MARK = "ciliumctl.io/retired-for-cilium"
_AWS = ("aws-node", "kube-system")
_CLOUD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeInfo:
    """What a change does and why, for people."""

    id: str
    title: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChange:
    """A change to an object that is not the chart's. Both ways can be gone twice without harm."""

    info: ChangeInfo
    apply: Callable[[Kube], None]
    undo: Callable[[Kube], bool]


def changes_for(detection: Detection, facts: Facts, config: Mapping[str, Any]) -> tuple[ClusterChange, ...]:
    """The changes that an installation with these values needs."""
    chained = get(config, ("cni", "chainingMode")) == "aws-cni"
    if detection.flavour == "eks" and facts.aws_node and not chained:
        return (_AWS_NODE,)
    return ()


def applied_changes(kube: Kube) -> tuple[ClusterChange, ...]:
    """The changes that an earlier installation made: by the mark that ours leaves, or by the selector itself.

    The official CLI sets the same selector and leaves no mark. One request.
    """
    found = kube.find(DAEMON_SETS, *_AWS)
    if found is None:
        return ()
    selector: dict[str, str] = dig(found, "spec", "template", "spec", "nodeSelector", default={})
    return (_AWS_NODE,) if _MARK in annotations_of(found) or AWS_SELECTOR in selector else ()


def _retire_aws_node(kube: Kube) -> None:
    patch = {
        "metadata": {"annotations": {_MARK: "true"}},
        "spec": {"template": {"spec": {"nodeSelector": {AWS_SELECTOR: "true"}}}},
    }
    kube.patch(DAEMON_SETS, _AWS[0], patch, _AWS[1])


def _restore_aws_node(kube: Kube) -> bool:
    found = kube.find(DAEMON_SETS, *_AWS)
    selector: dict[str, str] = dig(found, "spec", "template", "spec", "nodeSelector", default={})
    if AWS_SELECTOR not in selector:
        return False
    patch = {
        "metadata": {"annotations": {_MARK: None}},
        "spec": {"template": {"spec": {"nodeSelector": {AWS_SELECTOR: None}}}},
    }
    kube.patch(DAEMON_SETS, _AWS[0], patch, _AWS[1])
    return True


_AWS_NODE = ClusterChange(
    info=ChangeInfo(
        id="aws-node",
        title=f"give DaemonSet `kube-system/aws-node` the node selector `{AWS_SELECTOR}`",
        why="the AWS VPC CNI and Cilium cannot both be in charge of the nodes; uninstalling takes it back.",
    ),
    apply=_retire_aws_node,
    undo=_restore_aws_node,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A value that only the cloud knows, and the command that asks it."""

    key: tuple[str, ...]
    why: str
    command: tuple[str, ...]
    host: str

    @property
    def available(self) -> bool:
        """Whether the cloud's program is on this machine."""
        return shutil.which(self.command[0]) is not None

    def ask(self) -> str:
        """Ask the cloud. Raises `OutsideError`."""
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=_CLOUD_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutsideError(f"`{self.command[0]}` gave no answer: {error}", hint=self.hint) from error
        if done.returncode:
            raise OutsideError(f"`{self.command[0]}` failed", hint=self.hint, detail=done.stderr)
        try:
            clusters = json.loads(done.stdout)
        except ValueError:
            clusters = []
        for cluster in clusters:
            if self.host and self.host == cluster.get("endpoint"):
                return str(cluster.get("clusterIpv4Cidr", ""))
        raise OutsideError(f"`{self.command[0]}` knows no cluster at `{self.host}`", hint=self.hint)

    @property
    def hint(self) -> str:
        """How to give the value by hand."""
        return f"give it yourself: `--set {'.'.join(self.key)}=CIDR`; `{' '.join(self.command)}` shows it"


def needs_of(detection: Detection, facts: Facts, config: Mapping[str, Any]) -> tuple[Need, ...]:
    """The values that this kind of cluster needs, that nobody gave, and that the API server does not know."""
    key = ("ipv4NativeRoutingCIDR",)
    if detection.flavour != "gke" or get(config, key):
        return ()
    project = next(
        (urlsplit(node.provider_id).netloc for node in facts.nodes if node.provider_id.startswith("gce://")), ""
    )
    command = ("gcloud", "container", "clusters", "list", *(("--project", project) if project else ()))
    return (
        Need(
            key=key,
            why="native routing needs the cluster's pod range, and only Google knows it.",
            command=(*command, "--format", "json"),
            host=urlsplit(facts.host).hostname or "",
        ),
    )
