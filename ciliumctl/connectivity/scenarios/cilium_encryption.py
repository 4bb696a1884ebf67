"""Encryption that Cilium is told to do: what crosses the wire between two nodes must not be readable.

A pod in each node's network looks at the node's device while pods say a word that nobody else says. Seeing none of it
is worth nothing by itself, so that encrypted packets must be seen as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import HOST_HTTP
from ciliumctl.connectivity.commands import HTTP, http
from ciliumctl.connectivity.model import DENIED, Bed, Pod, Probe, Scenario, Target, World, says
from ciliumctl.connectivity.scenarios import _cilium as cilium

#: Seconds that the wire is looked at; the words are said in the middle of them.
_LOOK = 7
#: WireGuard's port in Cilium, and ESP.
_ENCRYPTED = "udp port 51871 or esp"


def _encrypts_pods(world: World) -> str:
    if not world.cilium:
        return "Cilium is not installed"
    on = any(world.config.get(key, "").lower() == "true" for key in ("enable-wireguard", "enable-ipsec"))
    return "" if on else "encryption is off"


def _encrypts_nodes(world: World) -> str:
    on = world.config.get("encrypt-node", "").lower() == "true"
    return _encrypts_pods(world) or ("" if on else "encryption between nodes is off (`encryption.nodeEncryption`)")


def _word(bed: Bed, what: str) -> str:
    return f"in-clear-{what}-{bed.namespace}"


def _sniff(bed: Bed, word: str, pairs: list[tuple[str, str]]) -> Iterator[Probe]:
    """Look at each node's device for the word, and for encrypted packets of the other node."""
    hosts = {pod.node: pod for pod in bed.group("sniffer")}
    for sniffer in hosts.values():
        peer = next(pod for pod in hosts.values() if pod is not sniffer)
        ends = " or ".join(f"(host {one} and host {two})" for one, two in pairs)
        peers = " or ".join(f"host {address}" for address in peer.addresses.values())
        device = (
            f"$(ip -o route get {quote(next(iter(peer.addresses.values())))} | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')"
        )
        lines = [
            f'f=/tmp/wire-$$; d={device} && [ -n "$d" ] || exit 3',
            f"timeout {_LOOK} tcpdump -i \"$d\" -U -s 400 -c 50000 -w - '{peers} or {ends}' >$f 2>$f.err",
            "[ -s $f ] || { tail -1 $f.err; rm -f $f $f.err; exit 1; }",
            f"c=$(grep -a -c {quote(word)} $f); e=$(tcpdump -nr $f '{_ENCRYPTED}' 2>/dev/null | wc -l)",
            'rm -f $f $f.err; echo "clear $c encrypted $e"',
        ]
        yield Probe(
            name="what crosses the wire",
            source=sniffer.role,
            target=Target(name=f"the wire to {peer.node}", node=peer.node),
            command="\n".join(lines),
            expect=says(r"clear 0 encrypted [1-9]\d*", "encrypted packets and not a word in clear"),
            seconds=_LOOK + 6,
        )


def _speak(bed: Bed, word: str, source: Pod, target: Pod, port: int = HTTP) -> Iterator[Probe]:
    """Say the word, again and again while the wire is looked at."""
    for family in bed.families:
        address = target.addresses.get(family)
        if address is None or family not in source.addresses:
            continue
        host = f"[{address}]" if family == 6 else address
        ask = f"curl -sS --globoff --fail -m 2 -o /dev/null {quote(f'http://{host}:{port}/hostname?{word}')}"
        yield Probe(
            name="HTTP while the wire is looked at" + (" over IPv6" if family == 6 else ""),
            source=source.role,
            target=target.target(family),
            command=f"sleep 1.5; for i in 1 2 3 4 5 6 7 8; do {ask} || exit 1; sleep 0.4; done",
            seconds=_LOOK + 6,
        )


def _pods(bed: Bed) -> Iterator[Probe]:
    word = _word(bed, "pods")
    ways = [(bed.pod("client"), bed.pod("far")), (bed.pod("far-client"), bed.pod("near"))]
    ends = [(one.addresses[family], two.addresses[family]) for one, two in ways for family in bed.families]
    yield from _sniff(bed, word, ends)
    for one, two in ways:
        yield from _speak(bed, word, one, two)


def _nodes(bed: Bed) -> Iterator[Probe]:
    word = _word(bed, "nodes")
    one, two = bed.group("host")
    yield from _sniff(bed, word, [(one.addresses[family], two.addresses[family]) for family in one.addresses])
    yield from _speak(bed, word, one, two, HOST_HTTP)
    yield from _speak(bed, word, two, one, HOST_HTTP)


def _through_proxy(bed: Bed) -> Iterator[Probe]:
    word = _word(bed, "proxy")
    client, far = bed.pod("client"), bed.pod("far")
    yield from _sniff(bed, word, [(client.addresses[family], far.addresses[family]) for family in bed.families])
    yield from _speak(bed, word, client, far)
    for family in bed.families:
        yield http("client", far.target(family), path="/clientip", expect=DENIED)


_HTTP_RULE = [
    {
        "fromEntities": ["all"],
        "toPorts": [
            {"ports": [{"port": str(HTTP), "protocol": "TCP"}], "rules": {"http": [{"path": "/hostname.*"}]}},
        ],
    }
]

POD_ENCRYPTION = Scenario(
    name="cilium-pod-to-pod-encryption",
    about="what pods say to pods on the other node is encrypted on the wire",
    category="cilium",
    probes=_pods,
    needs=(_encrypts_pods, needs.two_nodes, needs.privileged),
    groups=("sniffers",),
    official=("pod-to-pod-encryption", "pod-to-pod-encryption-v2"),
)
NODE_ENCRYPTION = Scenario(
    name="cilium-node-to-node-encryption",
    about="what nodes say to each other is encrypted on the wire",
    category="cilium",
    probes=_nodes,
    needs=(_encrypts_nodes, needs.two_nodes, needs.privileged),
    groups=("sniffers", "hosts"),
    official=("node-to-node-encryption",),
)
PROXY_ENCRYPTION = Scenario(
    name="cilium-policy-encryption-with-http-path",
    about="what goes through Cilium's proxy is encrypted on the wire, too",
    category="cilium",
    probes=_through_proxy,
    policies=cilium.policy("http-encrypted", endpointSelector=cilium.SERVER, ingress=_HTTP_RULE),
    needs=(_encrypts_pods, needs.two_nodes, needs.privileged, needs.cilium_policies, needs.l7),
    groups=("sniffers",),
    official=("pod-to-pod-with-l7-policy-encryption", "pod-to-pod-with-l7-policy-encryption-v2"),
)
