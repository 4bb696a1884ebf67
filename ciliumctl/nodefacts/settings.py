"""Mounts and sysctls of each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from ciliumctl.nodefacts.model import Problem, grouped
from ciliumctl.nodefacts.parsing import NodeFacts
from ciliumctl.values.paths import get

Found = tuple[str, Literal["error", "warning"], str]
# Fewer than this, and agents, operators and kubelets on one node run out of watches (Linux's own default is 128).
_INSTANCES = 128
_PIDS = 32768


def mount_problems(nodes: Sequence[NodeFacts], values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """File systems that Cilium mounts itself, unless the values forbid it."""
    bpf_by_itself = get(values, ("bpf", "autoMount", "enabled"), default=True) is not False
    cgroup_by_itself = get(values, ("cgroup", "autoMount", "enabled"), default=True) is not False
    return grouped(_mounts(nodes, bpf_by_itself=bpf_by_itself, cgroup_by_itself=cgroup_by_itself))


def _mounts(nodes: Sequence[NodeFacts], *, bpf_by_itself: bool, cgroup_by_itself: bool) -> Iterator[Found]:
    for node in nodes:
        kinds = {mount.kind for mount in node.mounts}
        if not bpf_by_itself and not any(mount.kind == "bpf" for mount in node.mounts):
            yield "no bpffs is mounted, and `bpf.autoMount.enabled` is off", "error", node.node
        if not cgroup_by_itself and "cgroup2" not in kinds:
            yield "no cgroup2 is mounted, and `cgroup.autoMount.enabled` is off", "error", node.node


def sysctl_problems(nodes: Sequence[NodeFacts], values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Settings that drop Cilium's packets or stop its agents. What the agent sets by itself is not told."""
    return grouped(found for node in nodes for found in _sysctls(node, values))


def _sysctls(node: NodeFacts, values: Mapping[str, Any]) -> Iterator[Found]:
    known = node.sysctls
    fixes = get(values, ("sysctlfix", "enabled"), default=True) is not False
    strict = sorted(
        name.split(".")[3]
        for name, value in known.items()
        if name.startswith("net.ipv4.conf.") and name.endswith(".rp_filter") and value == "1"
    )
    if strict and not fixes:
        text = "rp_filter is 1 (strict) and `sysctlfix.enabled` is off: replies that come another way are dropped"
        yield text, "error", node.node
    if known.get("net.ipv4.ip_forward") == "0" and get(values, ("ipv4", "enabled"), default=True) is not False:
        yield (
            "net.ipv4.ip_forward is 0: the agent turns it on, another run of sysctl off",
            "warning",
            node.node,
        )
    if get(values, ("ipv6", "enabled")) is True:
        if known.get("net.ipv6.conf.all.disable_ipv6") == "1":
            yield "IPv6 is off (net.ipv6.conf.all.disable_ipv6 is 1), and `ipv6.enabled` is on", "error", node.node
        if known.get("net.ipv6.conf.all.forwarding") == "0":
            yield "net.ipv6.conf.all.forwarding is 0, and `ipv6.enabled` is on", "warning", node.node
    if known.get("net.core.bpf_jit_enable") == "0":
        yield "net.core.bpf_jit_enable is 0: programs are interpreted, slowly", "warning", node.node
    if known.get("kernel.unprivileged_bpf_disabled") == "0":
        yield "kernel.unprivileged_bpf_disabled is 0: every user may load programs", "warning", node.node
    if _below(known.get("fs.inotify.max_user_instances"), _INSTANCES):
        yield f"fs.inotify.max_user_instances is below {_INSTANCES}: agents may not watch files", "warning", node.node
    if _below(known.get("kernel.pid_max"), _PIDS):
        yield f"kernel.pid_max is below {_PIDS}", "warning", node.node


def _below(value: str | None, least: int) -> bool:
    return value is not None and value.isdigit() and int(value) < least
