"""Numbers as people read them."""

from __future__ import annotations

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def shown(value: float, unit: str = "") -> str:
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
