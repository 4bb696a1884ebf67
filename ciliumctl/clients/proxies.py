"""Which proxy a request goes through, as curl, Go programs and so kubectl and Helm decide it.

The HTTP library knows no networks in `NO_PROXY`, and would read this process's environment instead of the session's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """The address of the proxy for `url`; empty for a direct connection. Loopback addresses are always direct."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if not host or _is_loopback(host) or _excepted(host, parts.port, _value(environ, "no_proxy")):
        return ""
    proxy = _value(environ, f"{parts.scheme}_proxy") or _value(environ, "all_proxy")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _excepted(host: str, port: int | None, exceptions: str) -> bool:
    return any(_matches(host, port, entry.strip().lower()) for entry in exceptions.split(",") if entry.strip())


def _matches(host: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        return port is not None and str(port) == wanted and _matches(host, None, name)
    name = entry.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")
