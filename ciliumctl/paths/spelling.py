"""How ends are written: as things are named everywhere (`naming`), as an address, a name, or `world`; with a port."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from ciliumctl import naming
from ciliumctl.errors import UsageError
from ciliumctl.naming import Named

Kind = Literal["pod", "workload", "service", "node", "address", "name", "world"]
PROTOCOLS = ("TCP", "UDP", "SCTP")
_HINT = f"write {naming.FORMS}, an address, a name or `world`; a destination may end with `:PORT` or `:PORT/udp`"
_PORT = re.compile(r"(?P<end>.+):(?P<port>[A-Za-z0-9-]+)(?:/(?P<protocol>[A-Za-z]+))?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end as it was written. `named` is what stands in the cluster; a port is a number or a port's name."""

    said: str
    kind: Kind
    name: str
    namespace: str = ""
    named: Named | None = None
    port: str = ""
    protocol: str = ""


def parse(text: str, namespace: str, *, with_port: bool = False) -> End:
    """An end. `namespace` is of what names none. Raises `UsageError` for one that makes no sense."""
    rest, port, protocol = _port(text) if with_port else (text, "", "")
    if protocol and protocol.upper() not in PROTOCOLS:
        raise UsageError(f"`{text}`: there is no protocol `{protocol}`", hint=f"one of {', '.join(PROTOCOLS)}")
    if port.isdigit() and not 0 < int(port) < 65536:
        raise UsageError(f"`{text}`: {port} is no port", hint="ports go from 1 to 65535")
    found = _end(text, rest, namespace)
    return replace(found, port=port, protocol=protocol.upper())


def _port(text: str) -> tuple[str, str, str]:
    """What is before the port, the port and the protocol; an IPv6 address has its port behind brackets."""
    bracketed = re.fullmatch(r"\[([^]]+)\](?::(\w[\w-]*)(?:/(\w+))?)?", text)
    if bracketed:
        return bracketed[1], bracketed[2] or "", bracketed[3] or ""
    if _address(text):
        return text, "", ""
    found = _PORT.fullmatch(text)
    return (found["end"], found["port"], found["protocol"] or "") if found else (text, "", "")


def _end(text: str, rest: str, namespace: str) -> End:
    """The end that `rest` names, which was written as `text`. Raises `UsageError`."""
    if rest == "world":
        return End(said=text, kind="world", name=rest)
    if _address(rest):
        return End(said=text, kind="address", name=str(ip_address(rest)))
    if re.fullmatch(r"[\d.]+", rest):
        raise UsageError(f"`{rest}` is no address", hint=_HINT)
    if "/" not in rest and _NAME.fullmatch(rest):
        return End(said=text, kind="name", name=rest.rstrip(".").lower())
    named = naming.read(rest, namespace)
    if named is None:
        raise UsageError(f"`{text}` is no end of a path", hint=_HINT)
    return the(named, text)


def the(named: Named, said: str) -> End:
    """The end that is a thing of the cluster."""
    return End(said=said, kind=named.kind, name=named.name, namespace=named.namespace, named=named)


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
