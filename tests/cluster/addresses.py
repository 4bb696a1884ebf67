"""The cluster's addresses, all out of ranges set aside for tests: 198.18.0.0/15 (RFC 2544), 2001:db8::/32 (RFC 3849).

Nothing here can be taken for, or routed to, anybody's network.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICES = "198.18.0.0/20"
SERVICES6 = "2001:db8:18::/112"
DNS = "198.18.0.10"
PODS = "198.19.0.0/16"
PODS6 = "2001:db8:19::/56"
GATEWAY = "198.18.128.1"
GATEWAY6 = "2001:db8:128::1"
PREFIX = 24
PREFIX6 = 64


@dataclass(frozen=True, slots=True)
class Address:
    """A node's addresses."""

    v4: str
    v6: str


def node(number: int) -> Address:
    """The addresses of node `number`, from 1."""
    return Address(v4=f"198.18.128.{10 + number}", v6=f"2001:db8:128::{10 + number:x}")
