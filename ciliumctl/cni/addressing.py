"""The addresses of a plugin's `ipam`: ranges, gateways, routes, as `host-local` and `static` read them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ciliumctl.cni.plugins import does, known
from ciliumctl.cni.positions import Path
from ciliumctl.findings import Severity

if TYPE_CHECKING:
    from ciliumctl.cni.linting import Problem

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check(plugin: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """What is wrong with the `ipam` of one plugin."""
    kind = str(plugin.get("type"))
    if "ipam" not in plugin or plugin["ipam"] == {}:
        if known().get(kind, {}).get("ipam") == "needed":
            text = f"`{kind}` makes an interface, and nothing gives it an address"
            yield "CNI301", "error", path, text, 'add an `ipam`, such as `{"type": "host-local", …}`'
        return
    ipam, path = plugin["ipam"], (*path, "ipam")
    if not isinstance(ipam, dict):
        yield "CNI209", "error", path, "it is not an object", ""
        return
    inner = ipam.get("type")
    if not isinstance(inner, str) or not inner:
        if kind in {"flannel", "cilium-cni"}:
            # These fill it in themselves.
            return
        yield "CNI302", "error", path, "it names no plugin that hands out addresses", 'add a `type`, as `"host-local"`'
        return
    if "/" in inner or does(inner) in {"interface", "meta"}:
        text = f"`{inner[:40]}` does not hand out addresses"
        yield "CNI302", "error", (*path, "type"), text, "`host-local`, `dhcp` and `static` do"
    elif inner == "host-local":
        yield from _ranges(ipam, path)
    elif inner == "static":
        yield from _static(ipam, path)
    yield from _routes(ipam, path)


def _ranges(ipam: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """`ranges` is a list of sets of ranges; a `subnet` beside it is the old way to say one."""
    sets = ipam.get("ranges", [])
    if not isinstance(sets, list) or not all(isinstance(one, list) and one for one in sets):
        text = "it is not a list of lists of ranges"
        yield "CNI209", "error", (*path, "ranges"), text, 'write `"ranges": [[{"subnet": "10.1.2.0/24"}]]`'
        return
    found: list[tuple[Path, Any]] = [(path, ipam)] if "subnet" in ipam else []
    found += [
        ((*path, "ranges", row, column), entry) for row, one in enumerate(sets) for column, entry in enumerate(one)
    ]
    if not found:
        yield "CNI303", "error", path, "`host-local` has no range of addresses", "add a `subnet`"
    taken: list[Network] = []
    for where, entry in found:
        if not isinstance(entry, dict):
            yield "CNI209", "error", where, "it is not an object", ""
            continue
        yield from _range(entry, where)
        network = _network(entry.get("subnet"))
        if network is not None:
            same = [one for one in taken if one.version == network.version and network.overlaps(one)]
            yield from (("CNI305", "error", (*where, "subnet"), f"it overlaps with `{one}`", "") for one in same)
            taken.append(network)


def _range(entry: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    network = _network(entry.get("subnet"))
    where = (*path, "subnet") if "subnet" in entry else path
    if network is None:
        yield "CNI303", "error", where, f"`{str(entry.get('subnet', ''))[:45]}` is no network", "write `10.1.2.0/24`"
        return
    if network.max_prefixlen - network.prefixlen < 2:
        yield "CNI303", "error", where, f"a network of {network.num_addresses} has no room for pods", ""
    if str(ipaddress.ip_interface(entry["subnet"]).ip) != str(network.network_address):
        text = f"`{entry['subnet']}` has more than the network's own bits"
        yield "CNI303", "error", where, text, f"write `{network}`"
    ends: dict[str, Address] = {}
    for key in ("rangeStart", "rangeEnd", "gateway"):
        address = _address(entry.get(key))
        if not entry.get(key):
            continue
        if address is None:
            yield "CNI304", "error", (*path, key), f"`{str(entry[key])[:45]}` is no address", ""
        elif address not in network:
            # A gateway elsewhere is allowed: routes to it are somebody else's.
            severity: Severity = "warning" if key == "gateway" else "error"
            yield "CNI304", severity, (*path, key), f"`{address}` is not in `{network}`", ""
        else:
            ends[key] = address
    first, last = ends.get("rangeStart"), ends.get("rangeEnd")
    if first is not None and last is not None and int(first) > int(last):
        yield "CNI304", "error", (*path, "rangeEnd"), f"`{last}` comes before `{first}`", ""


def _static(ipam: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    addresses = ipam.get("addresses", [])
    if not isinstance(addresses, list):
        yield "CNI209", "error", (*path, "addresses"), "it is not a list", ""
        return
    for number, entry in enumerate(addresses):
        where = (*path, "addresses", number)
        text = entry.get("address") if isinstance(entry, dict) else entry
        network = _network(text)
        if network is None:
            yield "CNI307", "error", where, f"`{str(text)[:45]}` is no address", "write `10.1.2.3/24`"
            continue
        gateway = _address(entry.get("gateway")) if isinstance(entry, dict) and entry.get("gateway") else None
        if gateway is not None and gateway not in network:
            yield "CNI304", "warning", (*where, "gateway"), f"`{gateway}` is not in `{network}`", ""


def _routes(ipam: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    routes = ipam.get("routes", [])
    if not isinstance(routes, list):
        yield "CNI209", "error", (*path, "routes"), "it is not a list", ""
        return
    for number, route in enumerate(routes):
        where = (*path, "routes", number)
        if not isinstance(route, dict):
            yield "CNI306", "error", where, "it is not an object with a `dst`", ""
            continue
        network = _network(route.get("dst"))
        if network is None:
            text = f"`{str(route.get('dst', ''))[:45]}` is no network to go to"
            yield "CNI306", "error", where, text, "write `0.0.0.0/0` for all"
        gateway = _address(route["gw"]) if route.get("gw") else None
        if route.get("gw") and gateway is None:
            yield "CNI306", "error", (*where, "gw"), f"`{str(route['gw'])[:45]}` is no address", ""
        elif gateway is not None and network is not None and gateway.version != network.version:
            yield "CNI306", "error", (*where, "gw"), "it is of the other family than the destination", ""


def _network(value: Any) -> Network | None:
    try:
        return ipaddress.ip_network(value, strict=False) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None


def _address(value: Any) -> Address | None:
    try:
        return ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
