"""Mirrors: a pod's traffic copied to another pod or to a node, for as long as somebody looks at it."""

from __future__ import annotations

from ciliumctl.mirrors.listing import listed, stop
from ciliumctl.mirrors.model import LONGEST, Direction, Mirror, MirrorList, MirrorsEnded, Wanted
from ciliumctl.mirrors.starting import preview, start

__all__ = [
    "LONGEST",
    "Direction",
    "Mirror",
    "MirrorList",
    "MirrorsEnded",
    "Wanted",
    "listed",
    "preview",
    "start",
    "stop",
]
