"""The values of filters, checked before any agent is asked: what Hubble would refuse, with what it takes instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ciliumctl.errors import UsageError
from ciliumctl.hubble import flow, reasons

if TYPE_CHECKING:
    from ciliumctl.hubble.filters import Filter

VERDICTS = ("FORWARDED", "DROPPED", "AUDIT", "REDIRECTED", "ERROR", "TRACED", "TRANSLATED")
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")
PROTOCOLS = ("icmp", "icmpv4", "icmpv6", "sctp", "tcp", "udp", "vrrp", "igmp", "dns", "http", "kafka")
#: Those that stand without a value.
BARE = {"ipv4": "v4", "ipv6": "v6"} | dict.fromkeys(
    ("all-namespaces", "from-all-namespaces", "to-all-namespaces", "encrypted", "unencrypted"), "true"
)


def split(name: str) -> tuple[str, str]:
    """The side that a filter is about (`from-`, `to-`, or empty for either), and its name without it."""
    for side in ("from-", "to-"):
        if name.startswith(side):
            return side, name.removeprefix(side)
    return "", name


def check(one: Filter) -> str:
    """The value as Hubble takes it. Raises `UsageError`."""
    if one.name in BARE:
        return BARE[one.name]
    if not one.value:
        raise UsageError(f"`--{one.name}` has no value")
    found = _CHECKS.get(one.name) or _CHECKS.get(split(one.name)[1])
    return found(one) if found is not None else one.value


def _bad(one: Filter, what: str, hint: str = "") -> UsageError:
    return UsageError(f"`--{one.name} {one.value}`: {what}", hint=hint)


def _one_of(words: Collection[str], change: Callable[[str], str] = str) -> Callable[[Filter], str]:
    def check(one: Filter) -> str:
        if change(one.value) not in words:
            raise _bad(one, "not known", f"one of {', '.join(words)}")
        return change(one.value)

    return check


def _port(one: Filter) -> str:
    if not one.value.isdecimal() or not 0 < int(one.value) < 65536:
        raise _bad(one, "not a port", "write a number from 1 to 65535")
    return one.value


def _number(one: Filter) -> str:
    if not one.value.isdecimal() or not int(one.value):
        raise _bad(one, "not a number above 0")
    return one.value


def _address(one: Filter) -> str:
    try:
        ip_network(one.value, strict=False)
    except ValueError:
        raise _bad(one, "not an address", "write 192.0.2.1 or 192.0.2.0/24; `--fqdn` takes names") from None
    return one.value


def _identity(one: Filter) -> str:
    """The number: the agents' own hubble may not know the name yet."""
    numbers = {name: number for number, name in flow.RESERVED.items()}
    name = one.value.removeprefix("reserved:")
    if name in numbers:
        return str(numbers[name])
    if not one.value.isdecimal():
        raise _bad(one, "not an identity", f"write a number, or one of {', '.join(numbers)}")
    return one.value


def _flags(one: Filter) -> str:
    for flag in one.value.split(","):
        if flag.upper() not in FLAGS:
            raise _bad(one, f"`{flag}` is no TCP flag", f"some of {', '.join(FLAGS)}, with commas between")
    return one.value.upper()


def _event(one: Filter) -> str:
    kind, colon, sub = one.value.partition(":")
    if kind not in flow.EVENTS and not kind.isdecimal():
        raise _bad(one, "no type of event", f"one of {', '.join(flow.EVENTS)}, `trace:to-endpoint`, or a number")
    if colon and not sub.isdecimal() and not (kind == "trace" and sub in flow.POINTS.values()):
        raise _bad(one, f"no sub-type `{sub}`", f"of trace: {', '.join(flow.POINTS.values())}; otherwise a number")
    return one.value


def _header(one: Filter) -> str:
    if ":" not in one.value:
        raise _bad(one, "no value in it", "write NAME:VALUE")
    return one.value


def _status(one: Filter) -> str:
    if not re.fullmatch(r"[1-5]\d\d|[1-5]\d?\+", one.value):
        raise _bad(one, "no status", "write 404, or 5+ for all that begin so")
    return one.value


def _pattern(one: Filter) -> str:
    try:
        re.compile(one.value)
    except re.error as error:
        raise _bad(one, f"not a regular expression: {error}") from None
    return one.value


def _reason(one: Filter) -> str:
    # An agent that is newer than us may know more: what only looks wrong is let through.
    if one.value.upper() in reasons.names():
        return one.value.upper()
    if not re.fullmatch(r"[A-Z][A-Z0-9_]+", one.value):
        raise _bad(one, "no name of a reason", "such as POLICY_DENIED; `ciliumctl hubble drops --reasons` lists them")
    return one.value


def _name_of_object(one: Filter) -> str:
    if one.value.count("/") > 1 or one.value == "/" or not re.fullmatch(r"[a-zA-Z0-9._/-]+", one.value):
        raise _bad(one, "not a name", "write NAMESPACE/NAME, or NAME; the beginning of a name is enough")
    return one.value


def check_raw(text: str) -> None:
    """Raise `UsageError` unless it is an object in JSON."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"`{text}` is no FlowFilter in JSON: {error}", hint='such as {"source_pod": ["a/b"]}'
        ) from None
    if not isinstance(found, dict):
        raise UsageError(f"`{text}` is no FlowFilter", hint='write an object, such as {"source_pod": ["a/b"]}')


def _version(one: Filter) -> str:
    words = {"4": "v4", "v4": "v4", "ipv4": "v4", "ip4": "v4", "6": "v6", "v6": "v6", "ipv6": "v6", "ip6": "v6"}
    found = (words | {"none": "none"}).get(one.value.lower())
    if found is None:
        raise _bad(one, "no version of IP", "one of v4, v6, none")
    return found


_CHECKS: Mapping[str, Callable[[Filter], str]] = {
    "verdict": _one_of(VERDICTS, str.upper),
    "drop-reason-desc": _reason,
    "port": _port,
    "ip": _address,
    "snat-ip": _address,
    "ip-trace-id": _number,
    "identity": _identity,
    "tcp-flags": _flags,
    "type": _event,
    "http-header": _header,
    "http-status": _status,
    "http-path": _pattern,
    "http-url": _pattern,
    "pod": _name_of_object,
    "service": _name_of_object,
    "ip-version": _version,
    "protocol": _one_of(PROTOCOLS, str.lower),
    "traffic-direction": _one_of(("ingress", "egress"), str.lower),
}
