"""Hubble's metrics as people write them down: a list, whose entries have options with commas of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from ciliumctl.errors import UsageError

#: What Cilium 1.15 to 1.20 has (cilium/cilium `pkg/hubble/metrics/*/plugin.go`).
KNOWN = (
    *("dns", "drop", "flow", "flows-to-world", "http", "httpV2", "icmp", "kafka", "policy", "port-distribution"),
    *("sctp", "tcp"),
)
NONE = "none"
_ENTRY = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*(:.+)?")


def hubble_metrics(texts: Iterable[str]) -> tuple[str, ...]:
    """The entries of lists such as `dns,drop,httpV2:labelsContext=source_ip,source_pod`; none for `none`.

    A comma ends an entry where the name of a metric follows; others belong to the entry's options.

    Raises:
        UsageError: an entry is none; one that is only misspelt is told with what it looks like.
    """
    entries: list[str] = []
    for text in texts:
        listed: list[str] = []
        for piece in text.split(","):
            word = piece.strip()
            if listed and ":" in listed[-1] and _name(word) not in KNOWN:
                listed[-1] += f",{word}"
            elif word:
                listed.append(word)
        entries += listed
    if entries == [NONE]:
        return ()
    for entry in entries:
        _check(entry)
    if not entries:
        raise UsageError("the list of Hubble's metrics is empty", hint="`--hubble-metrics none` switches them off")
    return tuple(dict.fromkeys(entries))


def _name(entry: str) -> str:
    return entry.partition(":")[0].partition(";")[0]


def _check(entry: str) -> None:
    name = _name(entry)
    if _ENTRY.fullmatch(entry) and name in KNOWN:
        return
    near = get_close_matches(name, KNOWN, n=1)
    raise UsageError(
        f"Hubble has no metric `{name}`",
        hint=f"did you mean `{near[0]}`?" if near else f"choose among {', '.join(KNOWN)}",
    )


def labels(texts: Iterable[str]) -> dict[str, str]:
    """The labels of `KEY=VALUE,KEY=VALUE`. Raises `UsageError`."""
    found: dict[str, str] = {}
    for text in texts:
        for pair in text.split(","):
            key, equals, value = pair.strip().partition("=")
            if not key or not equals:
                raise UsageError(f"`{pair}` is no label", hint="write KEY=VALUE, such as `release=prometheus`")
            found[key] = value
    return found
