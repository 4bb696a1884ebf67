"""Which addresses and which port the new network gets: some that nobody has. Pure."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ciliumctl.errors import Refused, UsageError
from ciliumctl.migration.model import NewNetwork, OldNetwork

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: UDP ports for the tunnel: the one of Cilium's own guide first, then its neighbours. 8472 is Cilium's default, and
#: Flannel's.
PORTS = (8473, 8474, 8475)
#: A node's share of the pool: 254 addresses, as the chart has it; a kubelet takes 110 pods.
BLOCK, BLOCK6 = 24, 120
_LARGEST = 9
#: Where pools are looked for, in this order: Cilium's guide has 10.245.0.0/16 first.
_SPACES = tuple(
    ipaddress.IPv4Network(text) for text in ("10.245.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is in use: ranges by what they are, and UDP ports by who has them."""

    ranges: tuple[tuple[str, str], ...]
    ports: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants of the new network; empty and 0 leave it to us."""

    ranges: tuple[str, ...] = ()
    port: int = 0


def parsed(text: str, flag: str = "--pod-cidr") -> Network:
    """A range. Raises `UsageError`."""
    try:
        return ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        raise UsageError(f"`{flag} {text}` is no range of addresses: {error}", hint="write `10.245.0.0/16`") from None


def collapsed(texts: Iterable[str]) -> tuple[str, ...]:
    """Ranges joined to the few that hold them all: one of each family, as nodes' shares come out of one pool."""
    found = [network for text in texts if (network := _maybe(text)) is not None]
    joined = []
    for version in (4, 6):
        mine = [network for network in found if network.version == version]
        if mine:
            joined.append(str(_around(mine)))
    return tuple(joined)


def _maybe(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _around(networks: Sequence[Network]) -> Network:
    """The smallest range that holds all of them."""
    around = networks[0]
    first = min(int(one.network_address) for one in networks)
    last = max(int(one.broadcast_address) for one in networks)
    while int(around.network_address) > first or int(around.broadcast_address) < last:
        around = around.supernet()
    return around


def families(texts: Iterable[str]) -> tuple[int, ...]:
    """The families of ranges, in order."""
    return tuple(sorted({network.version for text in texts if (network := _maybe(text)) is not None}))


def overlapping(one: Network, taken: Taken) -> str:
    """What a range overlaps with; empty for nothing."""
    for text, what in taken.ranges:
        other = _maybe(text)
        if other is not None and other.version == one.version and one.overlaps(other):
            return f"{what} ({text})"
    return ""


def choose(old: OldNetwork, taken: Taken, nodes: int, wish: Wish) -> NewNetwork:
    """The new network.

    Raises:
        UsageError: a wish is no range. Refused: it overlaps, has no room, or is of another family than the old one.
    """
    wanted = [parsed(text) for text in wish.ranges]
    had, gets = families(old.ranges), tuple(sorted({one.version for one in wanted})) or (4,)
    if had != gets:
        raise Refused(
            f"{old.name} has {_spelled(had)}, and the new network would have {_spelled(gets)}: "
            "a migration changes no family of addresses",
            hint="give one range of each: `--pod-cidr 10.245.0.0/16 --pod-cidr fd00:10:245::/104`"
            if 6 in had
            else "give an IPv4 range alone",
        )
    why = []
    if not wanted:
        wanted = [_free(taken, nodes)]
        why.append(
            f"pods: {wanted[0]} is the first range with room for {nodes} nodes that overlaps with nothing that the API "
            "server knows of (pods, services, nodes); whether a network that is routed to has it, check yourself"
        )
    else:
        _check(wanted, taken, nodes)
        why.append("pods: as you said")
    port, because = _port(old, taken, wish.port)
    return NewNetwork(ranges=tuple(str(one) for one in wanted), block=BLOCK, port=port, why=(*why, because))


def _spelled(versions: Sequence[int]) -> str:
    return " and ".join(f"IPv{version}" for version in versions) or "no addresses"


def _needed(nodes: int) -> int:
    """The prefix of a pool with a share for each node, for as many again, and for a few."""
    return min(16, BLOCK - math.ceil(math.log2(2 * nodes + 16)))


def _free(taken: Taken, nodes: int) -> Network:
    prefix = max(_LARGEST, _needed(nodes))
    for space in _SPACES:
        for one in space.subnets(new_prefix=prefix) if space.prefixlen <= prefix else ():
            if not overlapping(one, taken):
                return one
    raise Refused(
        f"no private range of /{prefix} is free for the new pods", hint="name one that nobody has with `--pod-cidr`"
    )


def _check(wanted: Sequence[Network], taken: Taken, nodes: int) -> None:
    for one in wanted:
        with_ = overlapping(one, taken)
        if with_:
            raise Refused(f"`--pod-cidr {one}` overlaps with {with_}", hint="take a range that nobody has")
        block = BLOCK if one.version == 4 else BLOCK6
        room = 1 << max(0, block - one.prefixlen) if one.prefixlen <= block else 0
        if room < nodes:
            raise Refused(
                f"`--pod-cidr {one}` has room for {room} nodes of /{block} each, and there are {nodes}",
                hint="take a larger range",
            )


def _port(old: OldNetwork, taken: Taken, wished: int) -> tuple[int, str]:
    used = {port: who for port, who in taken.ports if port}
    if wished:
        if wished in used:
            raise Refused(f"`--tunnel-port {wished}` is {used[wished]}'s", hint="take another one")
        return wished, "tunnel: as you said"
    free = next((port for port in PORTS if port not in used), 0)
    if not free:
        raise Refused("the ports 8473 to 8475 are all in use", hint="name another one with `--tunnel-port`")
    said = f"{old.name} has {old.port}" if old.port else f"{old.name} has no tunnel"
    return free, f"tunnel: VXLAN on UDP port {free}; {said}, and 8472 would be Cilium's default"
