"""Faults of a network, each injected into the real cluster and taken out again without a trace.

Each names the scenarios that must see it, some that must not, and what the report must say about the place. Nodes
forward what pods send and get, but not what they send each other: where a fault is in forwarding, `host-to-host` passes.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from ciliumctl.clients.kube import CONFIG_MAPS, DEPLOYMENTS, NODES, PODS, dig, name_of
from ciliumctl.connectivity.session import LABEL
from ciliumctl.lab.processes import Process
from ciliumctl.wait import Deadline
from tests.cluster import addresses, dns, network
from tests.e2e.conftest import Nodes

ONE, TWO = "node-1", "node-2"
Injection = Callable[[Nodes], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `says` are regular expressions for the report's text; `kept` whether the pods from before are used."""

    name: str
    about: str
    inject: Injection
    fails: tuple[str, ...]
    passes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    kept: bool = True


def pod_of(nodes: Nodes, role: str) -> dict[int, str]:
    """The addresses of one pod of the kept bed, by family."""
    for pod in nodes.cluster.kube.objects(PODS, labels=LABEL):
        if name_of(pod) == role:
            listed: list[dict[str, str]] = dig(pod, "status", "podIPs", default=[])
            return {6 if ":" in entry["ip"] else 4: entry["ip"] for entry in listed}
    raise AssertionError(f"no pod {role}")


def ranges(nodes: Nodes, name: str) -> list[str]:
    """A node's pod ranges."""
    found: list[str] = dig(nodes.cluster.kube.get(NODES, name), "spec", "podCIDRs", default=[])
    return found


def _family(cidr: str) -> str:
    return "ip6" if ":" in cidr else "ip"


@contextmanager
def _rules(nodes: Nodes, node: str, chains: str) -> Iterator[None]:
    """A table of nftables rules on one node."""
    nodes.cluster.inside(node, "nft", "-f", "-", stdin=f"table inet fault {{\n{chains}\n}}\n")
    try:
        yield
    finally:
        nodes.cluster.inside(node, "nft", "delete", "table", "inet", "fault")


def _forward(node: str, *rules: str) -> Injection:
    """Rules in the forward hook, before everything else there."""
    body = "; ".join(rules)
    return lambda nodes: _rules(nodes, node, f"chain f {{ type filter hook forward priority -200; {body}; }}")


def _ip_rule(node: str, target: str, *action: str) -> Injection:
    """A routing rule for the pods of `target`: agents mend routes, not rules."""

    @contextmanager
    def inject(nodes: Nodes) -> Iterator[None]:
        rules = [
            ("ip", "-6" if ":" in cidr else "-4", "rule", "add", "to", cidr, "prio", "50", *action)
            for cidr in ranges(nodes, target)
        ]
        for rule in rules:
            nodes.cluster.inside(node, *rule)
        try:
            yield
        finally:
            for rule in rules:
                nodes.cluster.inside(node, *("del" if word == "add" else word for word in rule))

    return inject


@contextmanager
def _wrong_route(nodes: Nodes) -> Iterator[None]:
    """Packets to the other node's pods go to the machine in the middle, which forwards nothing."""
    gateway = nodes.cluster.segment.gateway
    for family, via in (("-4", gateway.v4), ("-6", gateway.v6)):
        nodes.cluster.inside(ONE, "ip", family, "route", "add", "default", "via", via, "table", "77")
    try:
        with _ip_rule(ONE, TWO, "lookup", "77")(nodes):
            yield
    finally:
        for family in ("-4", "-6"):
            nodes.cluster.inside(ONE, "ip", family, "route", "flush", "table", "77")


@contextmanager
def _link_down(nodes: Nodes) -> Iterator[None]:
    """The node's end of a pod's veth pair is down; its routes and addresses go with it, and come back with it."""
    address = pod_of(nodes, "near")[4]
    said = nodes.cluster.inside(ONE, "ip", "-o", "route", "get", address)
    found = re.search(r" dev (\S+)", said)
    node = ONE
    if found is None or not found[1].startswith("veth"):
        raise AssertionError(f"`near` is not on {ONE}: {said}")
    link = found[1]
    routes = {
        family: nodes.cluster.inside(node, "ip", family, "route", "show", "dev", link).splitlines()
        for family in ("-4", "-6")
    }
    own = nodes.cluster.inside(node, "ip", "-6", "-o", "addr", "show", "dev", link, "scope", "global").split()
    nodes.cluster.inside(node, "ip", "link", "set", link, "down")
    try:
        yield
    finally:
        nodes.cluster.inside(node, "ip", "link", "set", link, "up")
        if "inet6" in own:
            number = own[own.index("inet6") + 1]
            nodes.cluster.inside(node, "ip", "-6", "addr", "replace", number, "dev", link, "nodad")
        for family, lines in routes.items():
            for line in lines:
                words = line.split(" pref ")[0].replace("linkdown", "").split()
                nodes.cluster.inside(node, "ip", family, "route", "replace", *words, "dev", link)


@contextmanager
def _small_path(nodes: Nodes) -> Iterator[None]:
    """The path's MTU is smaller than the pods', and nobody hears of it."""
    silent = (
        "chain o { type filter hook output priority -200; "
        "icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }"
    )
    with _rules(nodes, TWO, silent):
        nodes.cluster.inside(TWO, "ip", "link", "set", "eth0", "mtu", "1400")
        try:
            yield
        finally:
            nodes.cluster.inside(TWO, "ip", "link", "set", "eth0", "mtu", "1500")


@contextmanager
def slow(nodes: Nodes) -> Iterator[None]:
    shape = ("rate", "1mbit", "burst", "32kbit", "latency", "50ms")
    nodes.cluster.inside(ONE, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *shape)
    try:
        yield
    finally:
        nodes.cluster.inside(ONE, "tc", "qdisc", "del", "dev", "eth0", "root")


@contextmanager
def _no_dns(nodes: Nodes) -> Iterator[None]:
    kube = nodes.cluster.kube
    kube.patch(DEPLOYMENTS, "coredns", {"spec": {"replicas": 0}}, "kube-system")
    _gone(nodes)
    try:
        yield
    finally:
        kube.patch(DEPLOYMENTS, "coredns", {"spec": {"replicas": 2}}, "kube-system")
        assert dns.wait(kube, Deadline.after(60))


def _gone(nodes: Nodes) -> None:
    from ciliumctl.wait import poll

    poll(
        lambda: list(nodes.cluster.kube.objects(PODS, "kube-system", labels="k8s-app=kube-dns")),
        lambda pods: not pods,
        deadline=Deadline.after(60),
        interval=0.3,
    )


def _other_dns(corefile: str) -> Injection:
    """The name server with another configuration."""

    @contextmanager
    def inject(nodes: Nodes) -> Iterator[None]:
        before = dig(nodes.cluster.kube.get(CONFIG_MAPS, "coredns", "kube-system"), "data", "Corefile", default="")
        _serve(nodes, corefile)
        try:
            yield
        finally:
            _serve(nodes, before)

    return inject


def _serve(nodes: Nodes, corefile: str) -> None:
    kube = nodes.cluster.kube
    kube.patch(CONFIG_MAPS, "coredns", {"data": {"Corefile": corefile}}, "kube-system")
    kube.patch(DEPLOYMENTS, "coredns", {"spec": {"replicas": 0}}, "kube-system")
    _gone(nodes)
    kube.patch(DEPLOYMENTS, "coredns", {"spec": {"replicas": 2}}, "kube-system")
    assert dns.wait(kube, Deadline.after(60))


@contextmanager
def _proxy_stopped(nodes: Nodes) -> Iterator[None]:
    processes = nodes.cluster.running(ONE, "kube-proxy")
    assert processes
    _signal(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: Iterable[Process], sign: signal.Signals) -> None:
    """Send a signal; a child that was about to become another program may be gone."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, sign)


@contextmanager
def _no_service_rules(nodes: Nodes) -> Iterator[None]:
    with _proxy_stopped(nodes):
        tables = {
            family: nodes.cluster.inside(ONE, "nft", "list", "table", family, "kube-proxy") for family in ("ip", "ip6")
        }
        for family in tables:
            nodes.cluster.inside(ONE, "nft", "delete", "table", family, "kube-proxy")
        try:
            yield
        finally:
            for text in tables.values():
                nodes.cluster.inside(ONE, "nft", "-f", "-", stdin=text)


@contextmanager
def _no_portmap(nodes: Nodes) -> Iterator[None]:
    file = nodes.cluster.folder / ONE / "cni" / "net.d" / "05-cilium.conflist"
    before = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r',\s*\{\s*"type": "portmap".*?\}\s*\}', "", before, flags=re.DOTALL), encoding="utf-8")
    assert "portmap" not in file.read_text(encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


@contextmanager
def _no_enforcer(nodes: Nodes) -> Iterator[None]:
    # Not with the rules of a policy that was taken away just now.
    nodes.enforcer.settle()
    nodes.enforcer.freeze()
    try:
        yield
    finally:
        nodes.enforcer.enforce()


@contextmanager
def _denies_all(nodes: Nodes) -> Iterator[None]:
    nodes.enforcer.deny_all()
    try:
        yield
    finally:
        nodes.enforcer.enforce()


@contextmanager
def _another_pod_answers(nodes: Nodes) -> Iterator[None]:
    """On one node the address of `far` is another pod's."""
    far, other = pod_of(nodes, "far"), pod_of(nodes, "other")
    rules = f"ip daddr {far[4]} dnat ip to {other[4]}; ip6 daddr {far[6]} dnat ip6 to {other[6]};"
    with _rules(nodes, ONE, f"chain p {{ type nat hook prerouting priority -150; {rules} }}"):
        yield


@contextmanager
def _masqueraded(nodes: Nodes) -> Iterator[None]:
    four, six = addresses.PODS, addresses.PODS6
    rules = f"oifname eth0 ip daddr {four} masquerade; oifname eth0 ip6 daddr {six} masquerade;"
    with _rules(nodes, ONE, f"chain p {{ type nat hook postrouting priority 50; {rules} }}"):
        yield


def _sysctl(node: str, key: str, broken: str, right: str) -> Injection:
    @contextmanager
    def inject(nodes: Nodes) -> Iterator[None]:
        nodes.cluster.inside(node, "sysctl", "-qw", f"{key}={broken}")
        try:
            yield
        finally:
            nodes.cluster.inside(node, "sysctl", "-qw", f"{key}={right}")

    return inject


@contextmanager
def _no_api(nodes: Nodes) -> Iterator[None]:
    gateway = nodes.cluster.segment.gateway
    with _forward(ONE, f"ip daddr {gateway.v4} tcp dport != 53 drop")(nodes):
        yield


@contextmanager
def _node_gone(nodes: Nodes) -> Iterator[None]:
    leg = network.leg_name(nodes.cluster.name, 2)
    network.run("ip", "link", "set", leg, "down")
    try:
        yield
    finally:
        network.run("ip", "link", "set", leg, "up")


@contextmanager
def _not_hidden(nodes: Nodes) -> Iterator[None]:
    """Pods of one node leave for the world with their own address, which nobody there knows a way to."""
    nodes.cluster.inside(ONE, "nft", "delete", "table", "inet", "ciliumctl-masquerade")
    try:
        yield
    finally:
        nodes.cluster.inside(ONE, "nft", "-f", "-", stdin=network.masquerade(nodes.cluster.segment))


def _hidden_from_pods(nodes: Nodes) -> AbstractContextManager[None]:
    """One node asks its pods in its own name on behalf of the world."""
    four, six = nodes.cluster.segment.outside.v4, nodes.cluster.segment.outside.v6
    rules = f"ip saddr {four} masquerade; ip6 saddr {six} masquerade;"
    return _rules(nodes, TWO, f"chain p {{ type nat hook postrouting priority 50; {rules} }}")


@contextmanager
def _long_connections_cut(nodes: Nodes) -> Iterator[None]:
    nodes.cluster.inside(ONE, "sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
    rule = "tcp dport 8080 ct original packets > 24 drop;"
    try:
        with _rules(nodes, ONE, f"chain f {{ type filter hook forward priority -150; {rule} }}"):
            yield
    finally:
        nodes.cluster.inside(ONE, "sysctl", "-qw", "net.netfilter.nf_conntrack_acct=0")


def _reset_node_ports(node: str) -> Injection:
    rules = "tcp dport 30000-32767 drop; udp dport 30000-32767 drop;"
    return lambda nodes: _rules(nodes, node, f"chain p {{ type filter hook prerouting priority -350; {rules} }}")


_PLAIN = ("pod-to-pod", "pod-to-pod-udp")
_LYING = """.:53 {
    template IN A . {
        answer "{{ .Name }} 60 IN A 198.18.128.222"
    }
    template IN AAAA . {
        rcode NOERROR
    }
    ready
    health
}
"""
_REFUSING = """.:53 {
    template ANY ANY . {
        rcode REFUSED
    }
    ready
    health
}
"""

FAULTS = (
    Fault(
        name="veth-down",
        about="the link of one pod is down",
        inject=_link_down,
        fails=(*_PLAIN, "pod-to-service", "pod-to-pod-icmp"),
        passes=("pod-to-host", "pod-to-api-server"),
        says=(r"nothing gets through within node-1|within node-1: \d+ of",),
    ),
    Fault(
        name="route-unreachable",
        about="one node has no route to the other's pods",
        inject=_ip_rule(ONE, TWO, "unreachable"),
        fails=(*_PLAIN, "pod-to-service"),
        passes=("pod-to-api-server-address",),
        says=("nothing gets through from node-1 to node-2",),
    ),
    Fault(
        name="route-blackholed",
        about="one node drops what goes to the other's pods",
        inject=_ip_rule(ONE, TWO, "blackhole"),
        fails=(*_PLAIN, "pod-to-pod-icmp"),
        passes=("pod-to-api-server-address",),
        says=("nothing gets through from node-1 to node-2",),
    ),
    Fault(
        name="route-wrong",
        about="one node sends what goes to the other's pods elsewhere",
        inject=_wrong_route,
        fails=_PLAIN,
        passes=("pod-to-api-server-address",),
        says=("nothing gets through from node-1 to node-2",),
    ),
    Fault(
        name="asymmetric",
        about="answers of one node's pods do not come back",
        inject=_ip_rule(TWO, ONE, "blackhole"),
        fails=_PLAIN,
        passes=("pod-to-api-server-address",),
        says=("nothing gets through from node-1 to node-2", "nothing gets through from node-2 to node-1"),
    ),
    Fault(
        name="mtu",
        about="the path is smaller than the pods' MTU, and its messages are dropped",
        inject=_small_path,
        fails=("path-mtu", "large-transfer"),
        passes=(*_PLAIN, "pod-to-service"),
        says=("node-1 to node-2", "node-2 to node-1"),
    ),
    Fault(
        name="loss-30",
        about="30 % of what one node forwards is lost",
        inject=_forward(ONE, "numgen random mod 100 < 30 drop"),
        fails=("pod-to-pod-no-loss",),
        passes=("host-to-host",),
        says=(r"node-1 to node-2",),
    ),
    Fault(
        name="loss-100",
        about="everything that one node forwards from the other is lost",
        inject=_forward(TWO, "iifname eth0 drop"),
        fails=(*_PLAIN, "pod-to-pod-no-loss"),
        passes=("host-to-host",),
        says=(r"from node-1 to node-2: \d+ of \d+ probes failed",),
    ),
    Fault(
        name="throttled",
        about="one node's link carries 1 Mbit/s",
        inject=slow,
        fails=("large-transfer",),
        passes=("pod-to-pod", "pod-to-host"),
        says=(r"from node-1 to node-2",),
    ),
    Fault(
        name="dns-stopped",
        about="no name server runs",
        inject=_no_dns,
        fails=("dns-service", "dns-search-path", "pod-to-api-server", "dns-no-such-name"),
        passes=(*_PLAIN, "pod-to-service", "pod-to-api-server-address"),
        says=(
            "no servers could be reached",
            "Could not resolve host|Resolving timed out",
            "name server: service kube-system/kube-dns at .*: endpoints none",
        ),
    ),
    Fault(
        name="dns-lies",
        about="the name server answers every name with one address",
        inject=_other_dns(_LYING),
        fails=("dns-service", "dns-search-path", "dns-no-such-name"),
        passes=("pod-to-pod", "pod-to-service"),
        says=(r"198\.18\.128\.222",),
    ),
    Fault(
        name="dns-refuses",
        about="the name server refuses every question",
        inject=_other_dns(_REFUSING),
        fails=("dns-service", "dns-search-path", "dns-no-such-name"),
        passes=("pod-to-pod", "pod-to-service"),
        says=("REFUSED",),
    ),
    Fault(
        name="kube-proxy-stopped",
        about="one node learns of no new service",
        inject=_proxy_stopped,
        fails=("new-service",),
        passes=("pod-to-pod", "pod-to-service", "pod-to-node-port"),
        says=("from client on node-1",),
    ),
    Fault(
        name="service-rules-gone",
        about="one node has no rules for services",
        inject=_no_service_rules,
        fails=("pod-to-service", "pod-to-node-port", "pod-to-api-server-address", "dns-service"),
        passes=_PLAIN,
        says=("from client on node-1",),
    ),
    Fault(
        name="node-ports-blocked",
        about="one node drops what comes to node ports",
        inject=_reset_node_ports(TWO),
        fails=("pod-to-node-port",),
        passes=("pod-to-pod", "pod-to-service"),
        says=("a node port of .* on node-2",),
    ),
    Fault(
        name="host-port-plugin-missing",
        about="one node makes pods without their host ports",
        inject=_no_portmap,
        fails=("pod-to-host-port",),
        passes=("pod-to-pod",),
        says=("the host port of node-1",),
        kept=False,
    ),
    Fault(
        name="policies-not-enforced",
        about="nobody enforces new policies",
        inject=_no_enforcer,
        fails=("policy-deny-all-ingress", "policy-allow-ingress-by-label"),
        passes=("pod-to-pod",),
        says=("the policy was not enforced",),
    ),
    Fault(
        name="everything-denied",
        about="the enforcer denies everything",
        inject=_denies_all,
        fails=(*_PLAIN, "policy-allow-ingress-by-label"),
        # Policies are of pods; the nodes' own traffic is not denied.
        passes=("host-to-host",),
        says=("it fails without the policy already",),
    ),
    Fault(
        name="masqueraded",
        about="one node hides its pods behind its own address",
        inject=_masqueraded,
        fails=("pod-to-pod-source-address",),
        passes=("pod-to-pod", "pod-to-service"),
        says=("from node-1 to node-2",),
    ),
    Fault(
        name="world-sees-pods",
        about="one node's pods leave for the world with their own address",
        inject=_not_hidden,
        fails=("pod-to-outside-masqueraded",),
        passes=("pod-to-pod", "outside-to-node-port"),
        says=("from client on node-1",),
    ),
    Fault(
        name="pods-see-no-source",
        about="one node hides who asks from outside",
        inject=_hidden_from_pods,
        fails=("outside-to-local-node-port",),
        passes=("pod-to-pod", "outside-to-node-port"),
        says=("expected the address of who asks",),
    ),
    Fault(
        name="long-connections-cut",
        about="one node cuts connections that last",
        inject=_long_connections_cut,
        fails=("long-lived-connection",),
        passes=("pod-to-pod", "pod-to-service"),
        says=("from client on node-1",),
    ),
    Fault(
        name="another-pod-answers",
        about="a packet rule on one node leads to another pod, as an address that two pods have would",
        inject=_another_pod_answers,
        fails=("pod-to-pod",),
        passes=("pod-to-host",),
        says=("from node-1 to node-2", "seen: other"),
    ),
    Fault(
        name="forwarding-off",
        about="one node does not forward IPv4",
        inject=_sysctl(TWO, "net.ipv4.ip_forward", "0", "1"),
        fails=("pod-to-pod", "pod-to-pod-icmp"),
        # Nothing that would have a pod made: the CNI plugin switches forwarding on again.
        passes=("pod-to-itself-via-service",),
        says=("nothing gets through from node-1 to node-2", "IPv6 is not affected"),
    ),
    Fault(
        name="no-new-connections",
        about="a packet rule does what a full connection table does: old connections go on, new ones are dropped",
        inject=_forward(ONE, "ct state new drop"),
        fails=(*_PLAIN, "pod-to-service", "pod-to-api-server-address"),
        passes=("host-to-host",),
        says=("within node-1",),
    ),
    Fault(
        name="api-server-unreachable",
        about="one node's pods do not reach the API server",
        inject=_no_api,
        fails=("pod-to-api-server", "pod-to-api-server-address"),
        passes=(*_PLAIN, "pod-to-service"),
        says=("from client on node-1",),
    ),
    Fault(
        name="ipv6-off",
        about="a packet rule drops what one node forwards over IPv6, as if it did not forward it",
        inject=_forward(ONE, "meta nfproto ipv6 drop"),
        fails=("pod-to-pod", "pod-to-pod-udp", "pod-to-pod-icmp"),
        passes=("pod-to-api-server-address",),
        says=("only IPv6 is affected",),
    ),
    Fault(
        name="node-gone",
        about="the cable of one node is out",
        inject=_node_gone,
        fails=("pod-to-pod", "pod-to-host"),
        # Only `client` asks, and only itself: nothing of it is on the other node.
        passes=("pod-to-itself-via-service",),
        says=("pod `far-client` on node-2 cannot be asked",),
    ),
)
