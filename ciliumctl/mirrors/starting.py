"""Start a mirror: a pod on the node of the one end, another on that of the other, each with its half of the script."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ciliumctl import guests, templates
from ciliumctl.capture import Target, resolve
from ciliumctl.clients.kube import CONFIG_MAPS, NODES, Kube, Manifest, addresses_of, dig
from ciliumctl.errors import CiliumctlError, Exists, Forbidden, OutsideError, TimedOut, UsageError
from ciliumctl.mirrors.listing import listed
from ciliumctl.mirrors.model import GRACE, LATE, OVERHEAD, PROGRAM, PURPOSE, Mirror, Wanted
from ciliumctl.report import Reporter
from ciliumctl.wait import poll

# Seconds for a node's script to say that it is ready.
_PATIENCE = 30.0
_LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is mirrored to where, and by which words of the script. `sink` is empty when both are on one node."""

    mirror: Mirror
    source: Target
    target: Target
    words: tuple[str, ...]
    sink: tuple[str, ...]
    overhead: int


def preview(kube: Kube, wanted: Wanted) -> Mirror:
    """What would be made, and nothing of it is. Three requests, five for two nodes."""
    planned = _planned(kube, wanted)
    return replace(planned.mirror, makes=_makes(planned, wanted), dry_run=True)


def start(kube: Kube, wanted: Wanted, report: Reporter, consent: Callable[[Mirror], None]) -> Mirror:
    """Mirror from now on, until the time is up, `stop`, or the end of one of the two pods.

    `consent` raises when it may not be; nothing is made before.

    Raises:
        Exists: a mirror between the two runs already.
        UsageError: that cannot be mirrored. NotFound: there is no such pod or node. Forbidden: this user, or
            PodSecurity, may not. OutsideError: a node cannot do it; what was done is undone.
    """
    planned = _planned(kube, wanted)
    for made in _makes(planned, wanted):
        report.note(f"creates {made}")
    mirror = planned.mirror
    _refuse_a_second(kube, mirror)
    if mirror.vni:
        _warn_of_encryption(kube, wanted.cilium, report)
    consent(mirror)
    halves = [(planned.target.node, planned.sink)] if planned.sink else []
    halves.append((planned.source.node, planned.words))
    report.resume = "`ciliumctl capture mirrors` shows what is left of it"
    pods = []
    said = ""
    with ExitStack() as undo:
        for node, words in halves:
            guest = guests.on_node(kube, node, _how(wanted, words), report, wanted.cilium)
            undo.callback(guests.part, kube, guest, report)
            pods.append(f"{guest.namespace}/{guest.pod}")
            said = _ready(kube, guest)
        _warn_of_size(said, planned, report)
        # It stays: nothing is to be taken away.
        undo.pop_all()
    report.resume = ""
    return replace(mirror, pods=tuple(pods))


def _refuse_a_second(kube: Kube, mirror: Mirror) -> None:
    """The same once more would give the target each packet twice. One request; two runs at once are not told apart."""
    same = (mirror.source, mirror.target)
    there = [one for one in listed(kube).mirrors if (one.source, one.target) == same and one.state == "running"]
    if there:
        raise Exists(
            f"{mirror.source} is mirrored to {mirror.target} already, at interface {there[0].interface}",
            hint=f"`ciliumctl capture unmirror {there[0].name}` ends it",
        )


def _planned(kube: Kube, wanted: Wanted) -> Plan:
    source, target = (_one(kube, word, wanted) for word in (wanted.source, wanted.target))
    if source.kind != "pod":
        raise UsageError("a pod's traffic can be mirrored, a node's cannot", hint="`ciliumctl capture node/NAME`")
    for one, what in ((source, "mirrored from"), (target, "mirrored to")):
        if one.kind == "pod" and one.host_network:
            raise UsageError(
                f"{one.words} has its node's network: it cannot be {what}",
                hint=f"`ciliumctl capture {one.key}` captures there" if one is source else f"name `node/{one.node}`",
            )
    if source.key == target.key:
        raise UsageError(f"{source.words} cannot be mirrored to itself", hint="name another pod, or a node")
    name = secrets.token_hex(3)
    near = source.node == target.node
    local, remote = _ends(kube, source.node, target.node) if not near else ("", "")
    vni = 0 if near else wanted.vni or 1 + secrets.randbelow(2**24 - 2)
    ids = " ".join(target.containers) if target.kind == "pod" else "-"
    seconds, ends = str(round(wanted.ttl)), (source.key, target.key)
    tunnel = (str(vni), str(wanted.port))
    words = ("source", name, *ends, seconds, " ".join(source.containers), wanted.interface, wanted.direction)
    sink = () if near else ("sink", name, *ends, seconds, ids, *tunnel, remote, local)
    return Plan(
        mirror=Mirror(
            name=name,
            source=source.key,
            target=target.key,
            nodes=tuple(dict.fromkeys((source.node, target.node))),
            interface=f"mirror-{name}",
            direction=wanted.direction,
            vni=vni,
            port=0 if near else wanted.port,
            expires=(datetime.now(UTC) + timedelta(seconds=wanted.ttl)).isoformat(timespec="seconds"),
            owner=wanted.owner or kube.user,
        ),
        source=source,
        target=target,
        words=(*words, *tunnel, local, remote, ids),
        sink=sink,
        overhead=0 if near else OVERHEAD[ipaddress.ip_address(remote).version],
    )


def _one(kube: Kube, word: str, wanted: Wanted) -> Target:
    found = resolve(kube, (word,), selector="", namespace=wanted.namespace)
    if len(found) > 1:
        raise UsageError(f"`{word}` stands for {len(found)} pods", hint=f"name one of them: `{found[0].key}`")
    return found[0]


def _ends(kube: Kube, source: str, target: str) -> tuple[str, str]:
    """The addresses of two nodes, of a family that both have."""
    near, far = (_addresses(kube.get(NODES, name)) for name in (source, target))
    for version in (4, 6):
        if version in near and version in far:
            return near[version], far[version]
    raise OutsideError(
        f"nodes `{source}` and `{target}` have no internal addresses of one family", hint="`kubectl get nodes -o wide`"
    )


def _addresses(node: Manifest) -> dict[int, str]:
    return {ipaddress.ip_address(address).version: address for address in reversed(addresses_of(node))}


def _makes(planned: Plan, wanted: Wanted) -> tuple[str, ...]:
    """What is created, for people; in the order of its creation."""
    mirror, image = planned.mirror, _how(wanted, ()).reference
    pods = [
        f"a pod in namespace `{wanted.cilium}` on node `{node}`, privileged, with the node's network, processes and "
        f"(to be read) files, from `{image}`"
        for node in reversed(mirror.nodes)
    ]
    tunnel = f"by VXLAN {mirror.vni} to port {mirror.port} of node `{planned.target.node}`"
    copy = (
        f"a copy of what goes through `{wanted.interface}` of {planned.source.words} ({mirror.direction}), "
        f"{tunnel if mirror.vni else 'on the node'}; it arrives at interface `{mirror.interface}` of "
        f"{planned.target.words}"
    )
    return (*pods, copy)


def _how(wanted: Wanted, words: Sequence[str]) -> guests.How:
    script = templates.path("capture/mirror.sh").read_text(encoding="utf-8")
    return guests.How(
        image=wanted.image,
        pull_secret=wanted.pull_secret,
        profile="sysadmin",
        ttl=wanted.ttl + LATE,
        command=("sh", "-c", script, PROGRAM, *words),
        purpose=PURPOSE,
        owner=wanted.owner,
        grace=GRACE,
    )


def _ready(kube: Kube, guest: guests.Guest) -> str:
    """Wait until a node's script mirrors. Returns what it said."""

    def look() -> str:
        return kube.logs(guest.namespace, guest.pod, container=guest.container, tail=_LINES)

    deadline = kube.deadline.within(_PATIENCE)
    said = poll(look, lambda text: bool({"ready", "ended"} & _firsts(text)), deadline=deadline, interval=0.3)
    firsts = _firsts(said)
    if "failed:" in firsts:
        raise _refused(guest, said)
    if "ready" not in firsts:
        raise TimedOut(
            f"node `{guest.node}` did not get ready to mirror in time", hint="run the command again", detail=said
        )
    return said


def _firsts(text: str) -> set[str]:
    found = {line.split()[0] for line in text.splitlines() if line.strip()}
    return found | ({"ended"} if "failed:" in found else set())


def _refused(guest: guests.Guest, said: str) -> CiliumctlError:
    words = said[said.index("failed:") :].removeprefix("failed:").replace("failed:", "").strip()
    return OutsideError(
        f"node `{guest.node}` cannot mirror: {words.splitlines()[0] if words else 'it does not say why'}",
        hint="its kernel needs veth, vxlan, the classifier u32 and the action mirred; the image `ip` and `tc`",
        detail=said,
    )


def _warn_of_encryption(kube: Kube, namespace: str, report: Reporter) -> None:
    """Say when the copies travel in the open although pods' traffic does not. One request.

    Cilium encrypts what goes between pods; what goes from node to node only with `encrypt-node` (WireGuard).
    """
    try:
        config: Mapping[str, str] = dig(kube.find(CONFIG_MAPS, "cilium-config", namespace), "data", default={})
    except Forbidden:
        report.note("whether the cluster encrypts pods' traffic cannot be read; the copies travel in plain VXLAN")
        return
    names = {"enable-wireguard": "WireGuard", "enable-ipsec": "IPsec"}
    on = [name for key, name in names.items() if config.get(key) == "true"]
    if on and config.get("encrypt-node") != "true":
        report.warn(
            f"pods' traffic is encrypted between nodes ({on[0]}), and its copies are not: they travel in plain VXLAN",
            "a target on the pod's own node gets them without the network",
        )


def _warn_of_size(said: str, planned: Plan, report: Reporter) -> None:
    """Say when the copies of the largest packets do not fit into one on the way."""
    sizes = dict(line.split()[1:3] for line in said.splitlines() if line.startswith("mtu ") and len(line.split()) == 3)
    if not planned.overhead or not {"pod", "way"} <= set(sizes):
        return
    fits = int(sizes["way"]) - planned.overhead
    if int(sizes["pod"]) > fits:
        report.warn(
            f"copies of packets above {fits} bytes travel in fragments: the pod's MTU is {sizes['pod']}, the way's "
            f"{sizes['way']}, and VXLAN needs {planned.overhead}",
            "a network that drops fragments loses them; the pod's own traffic is not touched",
        )
