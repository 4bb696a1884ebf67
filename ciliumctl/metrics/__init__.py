"""Metrics as programs serve them: read, parsed, and put into an order that says what is the matter."""

from __future__ import annotations

from ciliumctl.metrics.text import Exposition, Malformed, Sample, parse

__all__ = ["Exposition", "Malformed", "Sample", "parse"]
