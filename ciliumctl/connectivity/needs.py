"""What scenarios can need of a cluster; each function says why it is not there, or nothing."""

from __future__ import annotations

from ciliumctl.connectivity.model import Need, World


def two_nodes(world: World) -> str:
    """Two nodes that take pods."""
    return "" if world.two_nodes else "there is only one node for it"


def ipv6(world: World) -> str:
    """IPv6 in pods."""
    return "" if 6 in world.families else "pods have no IPv6 address"


def policies(world: World) -> str:
    """Something that enforces Kubernetes' NetworkPolicy."""
    return world.no_policies


def cilium(world: World) -> str:
    """Cilium as the CNI."""
    return "" if world.cilium else "Cilium is not installed"


def cilium_policies(world: World) -> str:
    """CiliumNetworkPolicy, and somebody who enforces it."""
    if "CiliumNetworkPolicy" not in world.kinds:
        return "the cluster has no CiliumNetworkPolicy"
    return world.no_policies


def clusterwide_policies(world: World) -> str:
    """CiliumClusterwideNetworkPolicy."""
    if "CiliumClusterwideNetworkPolicy" not in world.kinds:
        return "the cluster has no CiliumClusterwideNetworkPolicy"
    return world.no_policies


def privileged(world: World) -> str:
    """The right to run pods in the host's network."""
    return "" if world.privileged else "pods in the host's network are not allowed here"


def external(world: World) -> str:
    """A host outside that may be asked."""
    return "" if world.external else "no host outside was named (`--external HOST`)"


def outside_node(world: World) -> str:
    """A node that the CNI leaves alone, from which traffic comes from outside."""
    if world.outside is None:
        return "no node is outside of the CNI's network (label `cilium.io/no-schedule=true`)"
    return privileged(world)


def l7(world: World) -> str:
    """Cilium's proxy."""
    return cilium(world) or switched_on("enable-l7-proxy", "Cilium's L7 proxy is off")(world)


def since(major: int, minor: int) -> Need:
    """A Cilium of this version or newer; of a version that cannot be told, nothing is held against it."""

    def need(world: World) -> str:
        if not world.version or world.version >= (major, minor):
            return ""
        return f"needs Cilium {major}.{minor}; this is {world.version[0]}.{world.version[1]}"

    return need


def kind(name: str, *versions: str) -> Need:
    """A kind that the API server knows; with `apiVersion`s, in one of them: others may have kinds of that name."""

    def need(world: World) -> str:
        there = any((version, name) in world.served for version in versions) if versions else name in world.kinds
        return "" if there else f"the cluster has no {name}" + (f" of {' or '.join(versions)}" if versions else "")

    return need


def switched_on(key: str, reason: str, *, default: bool = False) -> Need:
    """A feature of Cilium, by its key in `cilium-config`."""

    def need(world: World) -> str:
        if not world.cilium:
            return "Cilium is not installed"
        return "" if world.config.get(key, str(default)).lower() == "true" else reason

    return need


def either(*wanted: Need) -> Need:
    """One of several; the last one's reason when there is none."""

    def need(world: World) -> str:
        reasons = [one(world) for one in wanted]
        return "" if "" in reasons else reasons[-1]

    return need


def set_to(key: str, value: str, reason: str) -> Need:
    """A word among those of a key in `cilium-config`."""

    def need(world: World) -> str:
        return cilium(world) or ("" if value in world.config.get(key, "").split() else reason)

    return need


def external_address(world: World) -> str:
    """An address outside, not a name: policies know no names."""
    import ipaddress

    try:
        ipaddress.ip_address(world.external)
    except ValueError:
        return "no address outside was given (`--external ADDRESS`)"
    return ""


def cidrs_of_pods(world: World) -> str:
    """A CNI that holds a CIDR against pods, too."""
    return "Cilium holds CIDRs against what is outside the cluster only" if world.cilium else ""


def external_name(world: World) -> str:
    """A name outside, not an address: there is nothing to look up in an address."""
    if not world.external or not external_address(world):
        return "no name outside was given (`--external NAME`)"
    return ""
