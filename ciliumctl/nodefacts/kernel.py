"""The kernel of each node against what the values need of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from ciliumctl import templates
from ciliumctl.nodefacts.model import Problem, grouped
from ciliumctl.nodefacts.parsing import NodeFacts
from ciliumctl.values.paths import get, split

_SEVERITIES: dict[str, Literal["error", "warning"]] = {"error": "error", "warning": "warning"}


@cache
def table() -> tuple[Mapping[str, Any], ...]:
    """The groups of options in `templates/nodework/kernel.yaml`."""
    return tuple(templates.load("nodework/kernel.yaml"))


def every_option() -> tuple[str, ...]:
    """All options that any values need: what nodes are asked for."""
    return tuple(dict.fromkeys(option for group in table() for option in group["options"]))


def needed(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Literal["error", "warning"]]]:
    """The options that these values need, each with what for and how bad its absence is."""
    for group in table():
        if holds(values, group.get("when", {})):
            for option in group["options"]:
                yield option, group["for"], _SEVERITIES[group.get("severity", "error")]


def holds(values: Mapping[str, Any], conditions: Mapping[str, Sequence[str]]) -> bool:
    """Whether each key has one of its words; a value that is not there is the empty word."""
    return all(_word(get(values, split(key))) in words for key, words in conditions.items())


def _word(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def option_problems(nodes: Sequence[NodeFacts], values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Options that are off. Nodes whose kernel does not tell its configuration say nothing here."""
    wanted = list(needed(values))
    return grouped(
        (f"CONFIG_{option} is off: needed for {purpose}", severity, node.node)
        for node in nodes
        if node.options_from
        for option, purpose, severity in wanted
        if option not in node.options
    )


def silent(nodes: Sequence[NodeFacts]) -> tuple[str, ...]:
    """The nodes whose kernel does not tell its configuration."""
    return tuple(node.node for node in nodes if not node.options_from)


def btf_problems(nodes: Sequence[NodeFacts]) -> tuple[Problem, ...]:
    """Kernels without the description of their own types, which some of Cilium's features read."""
    text = "no BTF in the kernel (/sys/kernel/btf/vmlinux): tracing and some features of newer versions need it"
    return grouped((text, "warning", node.node) for node in nodes if not node.btf)
