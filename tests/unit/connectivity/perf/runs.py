"""Runs as they come out of a cluster, without one."""

from __future__ import annotations

from dataclasses import replace

from ciliumctl.connectivity.perf.measure import planned
from ciliumctl.connectivity.perf.result import Latency, Measurement, Perf, Throughput

_FACTORS = {"same-node": 2.0, "other-node": 0.9, "host-to-host": 1.0}


def done(name: str, worse: float = 1.0) -> Measurement:
    """A measurement that was done; `worse` times less was reached."""
    (one,) = [one for one in planned([4, 6]) if one.name == name]
    factor = _FACTORS[one.path] / worse
    found = replace(one, outcome="measured", seconds=1.0, source_node="one", target_node="two", address="203.0.113.2")
    if one.quantity == "throughput":
        return replace(found, throughput=Throughput(bits_per_second=1e10 * factor, retransmits=3))
    times = Latency(
        requests_per_second=10_000 * factor, p50=100 / factor, p90=200 / factor, p99=400 / factor, max=9_000
    )
    return replace(found, latency=times)


def perf(worse: float = 1.0, *, without: str = "-", streams: int = 1, duration: int = 1) -> Perf:
    """A run of everything, but for what has `without` in its name, which was skipped."""
    measured = tuple(
        one if without != "-" and without in one.name else done(one.name, worse) for one in planned([4, 6])
    )
    return Perf(
        context="prod",
        nodes=("one", "two"),
        image="tools",
        measurements=measured,
        streams=streams,
        duration=duration,
    )
