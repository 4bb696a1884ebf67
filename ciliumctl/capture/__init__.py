"""Packets of pods and nodes: tcpdump where they are, filters that no shell sees, files and streams that stay whole."""

from __future__ import annotations

from ciliumctl.capture.filters import check_here, split
from ciliumctl.capture.model import (
    LONGEST,
    SECONDS,
    SIZE,
    SNAPLEN,
    STREAM_SECONDS,
    Capture,
    Captured,
    Limits,
    Target,
    Wanted,
)
from ciliumctl.capture.running import capture, preview
from ciliumctl.capture.streaming import Stream, stream
from ciliumctl.capture.targets import resolve
from ciliumctl.capture.writing import STREAM, Destination, destination

__all__ = [
    "LONGEST",
    "SECONDS",
    "SIZE",
    "SNAPLEN",
    "STREAM",
    "STREAM_SECONDS",
    "Capture",
    "Captured",
    "Destination",
    "Limits",
    "Stream",
    "Target",
    "Wanted",
    "capture",
    "check_here",
    "destination",
    "preview",
    "resolve",
    "split",
    "stream",
]
