"""How ends are written: `pod/NS/NAME`, `deploy/NS/NAME`, `svc/NS/NAME`, `node/NAME`, an address, a name, `world`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from ciliumctl.errors import UsageError

Kind = Literal["pod", "workload", "service", "node", "address", "name", "world"]
#: What is written before the slash, as kubectl knows it.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("deploy", "deployment", "deployments", "ds", "daemonset", "sts", "statefulset"), "workload"),
    **dict.fromkeys(("svc", "service", "services"), "service"),
    **dict.fromkeys(("node", "nodes", "no"), "node"),
}
PROTOCOLS = ("TCP", "UDP", "SCTP")
_HINT = (
    "write `pod/NAMESPACE/NAME`, `deploy/NAMESPACE/NAME`, `svc/NAMESPACE/NAME`, `node/NAME`, an address, a name or "
    "`world`; a destination may end with `:PORT` or `:PORT/udp`"
)
_PORT = re.compile(r"(?P<end>.+):(?P<port>[A-Za-z0-9-]+)(?:/(?P<protocol>[A-Za-z]+))?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end as it was written. `resource` is the word before the slash; a port is a number or a port's name."""

    said: str
    kind: Kind
    name: str
    namespace: str = ""
    resource: str = ""
    port: str = ""
    protocol: str = ""


def parse(text: str, *, with_port: bool = False) -> End:
    """An end. Raises `UsageError` for one that makes no sense."""
    rest, port, protocol = _port(text) if with_port else (text, "", "")
    if protocol and protocol.upper() not in PROTOCOLS:
        raise UsageError(f"`{text}`: there is no protocol `{protocol}`", hint=f"one of {', '.join(PROTOCOLS)}")
    if port.isdigit() and not 0 < int(port) < 65536:
        raise UsageError(f"`{text}`: {port} is no port", hint="ports go from 1 to 65535")
    kind, namespace, name, resource = _end(text, rest)
    return End(
        said=text,
        kind=kind,
        name=name,
        namespace=namespace,
        resource=resource,
        port=port,
        protocol=protocol.upper(),
    )


def _port(text: str) -> tuple[str, str, str]:
    """What is before the port, the port and the protocol; an IPv6 address has its port behind brackets."""
    bracketed = re.fullmatch(r"\[([^]]+)\](?::(\w[\w-]*)(?:/(\w+))?)?", text)
    if bracketed:
        return bracketed[1], bracketed[2] or "", bracketed[3] or ""
    if _address(text):
        return text, "", ""
    found = _PORT.fullmatch(text)
    return (found["end"], found["port"], found["protocol"] or "") if found else (text, "", "")


def _end(text: str, rest: str) -> tuple[Kind, str, str, str]:
    if rest == "world":
        return "world", "", rest, ""
    if _address(rest):
        return "address", "", str(ip_address(rest)), ""
    resource, *parts = rest.split("/")
    kind = KINDS.get(resource.lower())
    if not parts and _NAME.fullmatch(rest):
        return "name", "", rest.rstrip(".").lower(), ""
    if kind == "node" and len(parts) == 1 and parts[0]:
        return kind, "", parts[0], resource
    if kind is not None and kind != "node" and 1 <= len(parts) <= 2 and all(parts):
        # As kubectl without `-n`: in ciliumctl that one is Cilium's own namespace.
        return kind, parts[0] if len(parts) == 2 else "default", parts[-1], resource
    raise UsageError(f"`{text}` is no end of a path", hint=_HINT)


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
