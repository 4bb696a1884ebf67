"""Hubble's metrics and labels as people write them down: lists."""

from __future__ import annotations

from collections.abc import Iterable

from ciliumctl.errors import UsageError
from ciliumctl.hubble import metering

NONE = "none"


def hubble_metrics(texts: Iterable[str]) -> tuple[str, ...]:
    """The entries of lists such as `dns,drop,httpV2:labelsContext=source_ip,source_pod`; none for `none`.

    Raises:
        UsageError: an entry is none, or its options are wrong.
    """
    given = [text.strip() for text in texts]
    if given == [NONE]:
        return ()
    if not any(given):
        raise UsageError("the list of Hubble's metrics is empty", hint="`--hubble-metrics none` switches them off")
    return tuple(dict.fromkeys(entry for text in given for entry in metering.parse(text)))


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
