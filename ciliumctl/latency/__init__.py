"""How long do nodes need to reach each other, and which cannot? From the agents' own probes, or from pods of ours."""

from __future__ import annotations

from ciliumctl.latency.active import Measured, measure
from ciliumctl.latency.asking import Wanted, incomplete, look
from ciliumctl.latency.model import WAYS, Latency, NodeLine, Pair, Way, milliseconds, way

__all__ = [
    "WAYS",
    "Latency",
    "Measured",
    "NodeLine",
    "Pair",
    "Wanted",
    "Way",
    "incomplete",
    "look",
    "measure",
    "milliseconds",
    "way",
]
