"""How nodes are put into batches. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ciliumctl.clients.kube import Manifest, labels_of, name_of
from ciliumctl.errors import UsageError

Order = Literal["workers-first", "control-plane-first", "name"]
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_SIZE = re.compile(r"(\d+)(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """How the agents are restarted: so many nodes at a time, a pause between, which nodes, in which order.

    `size` is a number of nodes or a share of them, such as `10%`; `pause` is in seconds, `selector` a label selector.
    """

    size: str
    pause: float = 0.0
    selector: str = ""
    order: Order = "workers-first"


def checked(size: str) -> str:
    """The size, when it is one. Raises `UsageError`."""
    found = _SIZE.fullmatch(size.strip())
    if found is None or int(found[1]) < 1 or (found[2] and int(found[1]) > 100):
        raise UsageError(
            f"`--batch {size}` is neither a number of nodes nor a share", hint="write `--batch 3` or `--batch 10%`"
        )
    return size.strip()


def number(size: str, nodes: int) -> int:
    """How many nodes a batch has: a share is rounded up, so that it is never none."""
    found = _SIZE.fullmatch(size)
    count, percent = found.groups() if found is not None else ("1", "")
    return max(1, math.ceil(nodes * int(count) / 100)) if percent else int(count)


def is_control_plane(node: Manifest) -> bool:
    """Whether a node has a control plane's label."""
    return any(label in labels_of(node) for label in _CONTROL_PLANE)


def ordered(found: Sequence[Manifest], order: Order) -> list[str]:
    """The nodes' names in the order in which they are restarted."""
    first = {"workers-first": False, "control-plane-first": True}.get(order)
    if first is None:
        return sorted((name_of(node) for node in found), key=natural)
    return [
        name_of(node)
        for node in sorted(found, key=lambda node: (is_control_plane(node) is not first, natural(name_of(node))))
    ]


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `node-10` after `node-9`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def split(names: Sequence[str], size: int) -> list[list[str]]:
    """The names in batches of `size`, the last one with what is left."""
    return [list(names[start : start + size]) for start in range(0, len(names), size)]
