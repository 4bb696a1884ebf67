"""How fast is the network? One TCP connection after the other, between pods and between their nodes."""

from __future__ import annotations

from ciliumctl.connectivity.perf.comparing import FIGURES, percent
from ciliumctl.connectivity.perf.reporting import TITLE, remarks, suites
from ciliumctl.connectivity.perf.result import PATHS, Compared, Comparison, Measurement, Perf, bits, micros, requests
from ciliumctl.connectivity.perf.running import Wanted, incomplete, run

__all__ = [
    "FIGURES",
    "PATHS",
    "TITLE",
    "Compared",
    "Comparison",
    "Measurement",
    "Perf",
    "Wanted",
    "bits",
    "incomplete",
    "micros",
    "percent",
    "remarks",
    "requests",
    "run",
    "suites",
]
