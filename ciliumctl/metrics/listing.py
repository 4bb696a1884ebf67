"""What `cilium-dbg metrics list` prints, in both of its forms: agents say it also where no port is open for scrapers.

Until 1.16 `-o json` is a list of name, labels and value; later versions take no notice of it and print a table of
`Metric`, `Labels` (`a=b c=d`) and `Value`, where a histogram has three quantiles for a value (cilium/cilium
`pkg/metrics/cmd.go`, `cilium-dbg/cmd/metrics_list.go`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from ciliumctl.metrics.text import Exposition, Malformed, Sample

_HEAD = re.compile(r"Metric\s+Labels\s+Value\s*")
# Columns are at least three spaces apart; a value of a label may have one inside.
_ROW = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s{3,}(?:(?P<labels>\S.*?)\s{3,})?(?P<value>\S.*)")
_PAIR = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=(.*?)(?= [a-zA-Z_][a-zA-Z0-9_]*=|$)")


def parse(text: str) -> Exposition:
    """The samples; of the table only what is one number. Raises `Malformed`."""
    stripped = text.strip()
    if stripped.startswith(("[", "null")):
        return Exposition(samples=tuple(_from_json(stripped)))
    lines = stripped.splitlines()
    if not lines or not _HEAD.fullmatch(lines[0]):
        raise Malformed(f"it is neither JSON nor the table of `cilium-dbg metrics list`: {stripped[:60]}")
    return Exposition(samples=tuple(sample for line in lines[1:] if (sample := _from_row(line)) is not None))


def _from_json(text: str) -> list[Sample]:
    try:
        listed: Any = json.loads(text) or []
        return [
            Sample(str(item["name"]), {str(key): str(value) for key, value in (item.get("labels") or {}).items()}, v)
            for item in listed
            if isinstance(v := item.get("value", 0.0), int | float)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"it is no list of metrics: {error}") from None


def _from_row(line: str) -> Sample | None:
    row = _ROW.fullmatch(line.rstrip())
    if row is None:
        return None
    try:
        value = float(row["value"])
    except ValueError:
        return None
    return Sample(row["name"], dict(_PAIR.findall(row["labels"] or "")), value)
