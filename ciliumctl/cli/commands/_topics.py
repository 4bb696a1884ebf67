"""How topics of metrics and their numbers are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciliumctl.cli.output import Cell, Writer

if TYPE_CHECKING:
    from ciliumctl.metrics.topics import TopicRows

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def show(out: Writer, topic: TopicRows) -> None:
    """A table with a heading; a sign in front of what deserves attention."""
    out.line()
    out.line((topic.name, "head"), f"  {topic.about}, {topic.unit}  ", (topic.metric, "dim"))
    keys = list(dict.fromkeys(key for row in topic.rows for key in row.labels))
    rows: list[list[Cell]] = []
    for row in topic.rows:
        mark: Cell = ("⚠", "warn") if row.bad else ""
        value: Cell = (number(row.value, topic.unit), "warn" if row.bad else "")
        rows.append([mark, value, *(row.labels.get(key, "") for key in keys), "" if "node" in keys else row.node])
    out.table(("", "value", *keys, "" if "node" in keys else "most on"), rows, indent="  ")
    if topic.left:
        out.line(f"  and {topic.left} more; `--limit 0` shows all")
    if topic.hint:
        out.hint(topic.hint, indent="  ")


def number(value: float, unit: str = "") -> str:
    """A value in few characters: a size in bytes, a ratio in percent, any other with as many digits as it needs."""
    if unit.startswith("bytes"):
        size = 0
        while abs(value) >= 1024 and size < len(_SIZES) - 1:
            value, size = value / 1024, size + 1
        return f"{value:.1f} {_SIZES[size]}" if size else f"{value:.0f} B"
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.1e}"
