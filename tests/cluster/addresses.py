"""The cluster's addresses, all out of ranges set aside for tests: 198.18.0.0/15 (RFC 2544), 2001:db8::/32 (RFC 3849).

Nothing here can be taken for, or routed to, anybody's network.
"""

from __future__ import annotations

from dataclasses import dataclass

# Services and pods have no route outside the nodes, so several clusters on one machine may have the same.
SERVICES = "198.18.0.0/20"
SERVICES6 = "2001:db8:18::/112"
DNS = "198.18.0.10"
PODS = "198.19.0.0/16"
PODS6 = "2001:db8:19::/56"
PREFIX = 24
PREFIX6 = 64
SEGMENTS = 64
_NODES = range(11, 100)


@dataclass(frozen=True, slots=True)
class Address:
    """One machine's addresses."""

    v4: str
    v6: str


@dataclass(frozen=True, slots=True)
class Segment:
    """The network that a cluster's nodes share; each cluster on a machine has its own, from 0."""

    number: int = 0

    def _host(self, host: int) -> Address:
        return Address(v4=f"198.18.{128 + self.number}.{host}", v6=f"2001:db8:{128 + self.number}::{host:x}")

    @property
    def gateway(self) -> Address:
        """The machine's own leg; the API server is there."""
        return self._host(1)

    @property
    def outside(self) -> Address:
        """The host that plays the outside world."""
        return self._host(200)

    def node(self, number: int) -> Address:
        """The addresses of node `number`, from 1."""
        return self._host(_NODES.start - 1 + number)

    @property
    def nodes(self) -> Address:
        """The ranges all nodes are in, as nftables writes them."""
        first, last = self._host(_NODES.start), self._host(_NODES.stop - 1)
        return Address(v4=f"{first.v4}-{last.v4}", v6=f"{first.v6}-{last.v6}")
