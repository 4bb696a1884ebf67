"""Spans of time as people say them."""

from __future__ import annotations


def shown(seconds: float) -> str:
    """A span in the one unit that matters: 45 s, 12 min, 3 h, 4 d."""
    minutes = int(seconds) // 60
    if minutes >= 48 * 60:
        return f"{minutes // (24 * 60)} d"
    if minutes >= 120:
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
