"""A node's packet filter out of policies: nftables' own language, and nothing that touches a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from tests.cluster import addresses
from tests.cluster import policy_cilium as cilium
from tests.cluster import policy_kubernetes as kubernetes
from tests.cluster.policy_rules import Block, Direction, Entity, Peer, Pods, Policy, Port, Rule
from tests.cluster.policy_state import Pod, State

TABLE = "inet ciliumctl-enforcer"
#: Takes every rule away, whether there are any or not.
NOTHING = f"table {TABLE}\ndelete table {TABLE}\n"
#: Groups of netfilter's log: the way of what is dropped, and whether a rule denies it, or none allows it.
LOGS: Mapping[tuple[Direction, bool], int] = {
    ("egress", False): 5,
    ("ingress", False): 6,
    ("egress", True): 7,
    ("ingress", True): 8,
}
_START = """\
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept
"""
#: Drops what comes from pods and what goes to them; connections that are there go on.
DENY_ALL = f"""\
{NOTHING}table {TABLE} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
{_START}    ip saddr {addresses.PODS} drop
    ip daddr {addresses.PODS} drop
    ip6 saddr {addresses.PODS6} drop
    ip6 daddr {addresses.PODS6} drop
  }}
}}
"""


def policies(state: State) -> list[Policy]:
    """Every policy of the state, in the common shape."""
    found: list[Policy] = []
    for manifest in state.policies:
        if manifest["kind"] == "NetworkPolicy":
            found.append(kubernetes.read(manifest, state))
        else:
            found += cilium.read(manifest, state)
    return found


def rules(state: State, node: str, having: Sequence[Policy] | None = None) -> str:
    """What `nft -f` needs to hear for a node to do as the policies say, in one transaction.

    A node drops what leaves its own pods and what arrives at them. What comes from the node itself is let through,
    as the kubelet's probes must be; what pods send to their own node is not, as in Cilium.
    """
    having = policies(state) if having is None else having
    chains: list[str] = []
    egress: list[str] = []
    ingress: list[str] = []
    local = sorted((pod for pod in state.pods if pod.node == node), key=lambda pod: (pod.namespace, pod.name))
    directions: tuple[Direction, ...] = ("egress", "ingress")
    for number, pod in enumerate(local):
        mine = [policy for policy in having if (pod.namespace, pod.name) in policy.subjects]
        for direction in directions:
            body = list(_body(pod, direction, mine, state))
            if not body:
                continue
            name, side, jumps = (
                (f"from-{number}", "saddr", egress) if direction == "egress" else (f"to-{number}", "daddr", ingress)
            )
            lines = "".join(f"    {_logged(line, direction)}\n" for line in body)
            chains.append(f"  # {pod.namespace}/{pod.name}\n  chain {name} {{\n{lines}  }}\n")
            jumps += [f"{_family(address)} {side} {address} jump {name}" for address in pod.addresses]
    if not chains:
        return NOTHING
    hooks = _hook("forward", [*egress, *ingress]) + _hook("input", egress)
    return f"{NOTHING}table {TABLE} {{\n{''.join(chains)}{hooks}}}\n"


def _hook(name: str, jumps: Sequence[str]) -> str:
    lines = "".join(f"    {jump}\n" for jump in jumps)
    return f"  chain {name} {{\n    type filter hook {name} priority filter; policy accept;\n{_START}{lines}  }}\n"


def _logged(line: str, direction: Direction) -> str:
    """A drop is told to whoever listens, which the stand-in of Hubble does: by a group for each way and reason."""
    if not line.endswith("drop"):
        return line
    return f"{line.removesuffix('drop')}log group {LOGS[direction, line != 'drop']} drop"


def _body(pod: Pod, direction: Direction, mine: Sequence[Policy], state: State) -> Iterator[str]:
    matching = [rule for policy in mine for rule in policy.rules if rule.direction == direction]
    isolated = any(direction in policy.isolates for policy in mine)
    denied = [rule for rule in matching if rule.deny]
    if not isolated and not denied:
        return
    # Nobody can keep a pod from itself.
    side = "daddr" if direction == "egress" else "saddr"
    yield from (f"{_family(address)} {side} {address} return" for address in pod.addresses)
    for rule in denied:
        yield from (f"{match}drop" for match in _matches(rule, pod, state))
    if isolated:
        for rule in matching:
            if not rule.deny:
                yield from (f"{match}return" for match in _matches(rule, pod, state))
        yield "drop"


def _matches(rule: Rule, pod: Pod, state: State) -> Iterator[str]:
    """Each peer with each port, as the start of a line; `pod` is the one that the rule is for."""
    side = "saddr" if rule.direction == "ingress" else "daddr"
    for peer in rule.peers:
        if rule.direction == "egress" and isinstance(peer, Pods) and any(port.name for port in rule.ports):
            # A name means the port of the pod that traffic goes to.
            pairs: list[tuple[Peer, list[Port]]] = [(Pods((one,)), _resolved(rule.ports, one)) for one in peer.pods]
        else:
            pairs = [(peer, _resolved(rule.ports, pod if rule.direction == "ingress" else None))]
        for whom, ports in pairs:
            if rule.ports and not ports:
                continue
            for family, address in _addresses(whom, side, pod, state):
                yield from _with_ports(family, address, ports)


def _with_ports(family: str, address: str, ports: Sequence[Port]) -> Iterator[str]:
    if not ports:
        yield address
    for port in ports:
        if port.protocol in {"ICMP", "ICMPv6"}:
            wanted = "ip" if port.protocol == "ICMP" else "ip6"
            if family in {"", wanted}:
                yield f"{address}{port.protocol.lower()} type {port.first} "
        elif port.first:
            last = f"-{port.last}" if port.last != port.first else ""
            yield f"{address}{port.protocol.lower()} dport {port.first}{last} "
        else:
            yield f"{address}meta l4proto {port.protocol.lower()} "


def _resolved(ports: Sequence[Port], pod: Pod | None) -> list[Port]:
    """Ports without names; a name that the pod does not have is no port."""
    found = [port for port in ports if not port.name]
    for port in ports:
        protocol, number = (pod.ports if pod else {}).get(port.name, ("", 0))
        if port.name and protocol == port.protocol:
            found.append(Port(protocol=protocol, first=number, last=number))
    return found


def _addresses(peer: Peer, side: str, pod: Pod, state: State) -> Iterator[tuple[str, str]]:
    """A peer's families and what matches it; the family is empty where it does not matter."""
    match peer:
        case Pods(pods):
            yield from _listed(side, [address for one in pods for address in one.addresses])
        case Block(cidr, excepted):
            family = _family(cidr)
            outside = _set([*_inside(state)[family], *excepted])
            yield family, f"{family} {side} {cidr} {family} {side} != {outside} "
        case Entity("all"):
            yield "", ""
        case Entity("world" | "cluster" as name):
            sign = "!= " if name == "world" else ""
            for family, ranges in _inside(state).items():
                yield family, f"{family} {side} {sign}{_set(ranges)} "
        case Entity(name):
            yield from _listed(side, _named(name, pod, state))


def _named(entity: str, pod: Pod, state: State) -> Sequence[str]:
    """The addresses of an entity that has a few."""
    if entity == "host":
        return state.nodes.get(pod.node, ())
    if entity == "kube-apiserver":
        return state.api_servers
    return [address for name, found in state.nodes.items() if name != pod.node for address in found]


def _inside(state: State) -> dict[str, list[str]]:
    """What is of the cluster, by family: its pods and its nodes."""
    nodes = _node_addresses(state)
    return {"ip": [addresses.PODS, *_of("ip", nodes)], "ip6": [addresses.PODS6, *_of("ip6", nodes)]}


def _node_addresses(state: State) -> list[str]:
    """Those that are not in the pods' ranges anyway."""
    ranges = [ip_network(addresses.PODS), ip_network(addresses.PODS6)]
    every = [ip_network(one) for all_of_it in state.nodes.values() for one in all_of_it]
    return [
        str(one.network_address)
        for one in every
        if not any(one.version == pods.version and one.network_address in pods for pods in ranges)
    ]


def _listed(side: str, all_of_them: Sequence[str]) -> Iterator[tuple[str, str]]:
    for family in ("ip", "ip6"):
        found = _of(family, all_of_them)
        if found:
            yield family, f"{family} {side} {_set(found)} "


def _of(family: str, all_of_them: Sequence[str]) -> list[str]:
    return sorted({address for address in all_of_them if _family(address) == family})


def _set(members: Sequence[str]) -> str:
    """A set of nftables, of ranges that do not overlap: it refuses those that do."""
    networks = [ip_network(member, strict=False) for member in members]
    kept = [
        one
        for index, one in enumerate(networks)
        if not any(
            other != one and one.subnet_of(other)  # type: ignore[arg-type]
            for other in networks
        )
        and one not in networks[:index]
    ]
    return "{ " + ", ".join(str(one.network_address) if one.num_addresses == 1 else str(one) for one in kept) + " }"


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"
