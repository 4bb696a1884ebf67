"""One measurement: the program that is run in a pod, and what it printed taken apart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity.model import Pod, World
from ciliumctl.connectivity.needs import two_nodes
from ciliumctl.connectivity.perf import bed as beds
from ciliumctl.connectivity.perf.bed import Bed
from ciliumctl.connectivity.perf.result import Latency, Measurement, Path, Quantity, Throughput, percentile
from ciliumctl.errors import CiliumctlError, Forbidden, OutsideError, Unauthorized
from ciliumctl.wait import poll

#: Seconds that a program may need besides measuring: to connect, and to end over a slow network.
SLACK = 15
#: Seconds in which a server that still is at the measurement before must be ready for the next.
_BUSY = 8.0
_WORDS = ("busy", "connection refused")
#: What `timeout` ends with: GNU's, and busybox's, which tells the signal.
_ENDED = (124, 143)
_NOT_FOUND = 127
_ROLES: dict[Path, tuple[str, str]] = {
    "same-node": (beds.CLIENT, "near"),
    "other-node": (beds.CLIENT, "far"),
    "host-to-host": (f"host-{beds.CLIENT}", "host-far"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How all of them are measured. `duration` in seconds; `image` for words about it."""

    duration: int
    streams: int
    image: str


def planned(families: Iterable[int]) -> list[Measurement]:
    """All measurements for these families, none of them done."""
    quantities: tuple[Quantity, ...] = ("throughput", "latency")
    return [
        Measurement(
            name=f"{quantity}-{path}-ipv{family}", quantity=quantity, path=path, family=family, outcome="skipped"
        )
        for quantity in quantities
        for path in _ROLES
        for family in families
    ]


def placed(one: Measurement, bed: Bed, world: World) -> Measurement:
    """It with its nodes, or with the reason why it cannot be done here."""
    if one.path != "same-node" and (reason := two_nodes(world)):
        return replace(one, reason=reason)
    if one.path == "host-to-host" and bed.no_hosts:
        return replace(one, reason=bed.no_hosts)
    source, target = _ends(one, bed)
    for pod in (source, target):
        if one.family not in _addresses(one, pod):
            whose = f"node {pod.node} has" if one.path == "host-to-host" else "pods have"
            return replace(one, reason=f"{whose} no IPv{one.family} address")
    address = _addresses(one, target)[one.family]
    return replace(one, source_node=source.node, target_node=target.node, address=address)


def _ends(one: Measurement, bed: Bed) -> tuple[Pod, Pod]:
    source, target = _ROLES[one.path]
    return bed.pods[source], bed.pods[target]


def _addresses(one: Measurement, pod: Pod) -> Mapping[int, str]:
    return pod.host if one.path == "host-to-host" else pod.addresses


def measure(kube: Kube, one: Measurement, bed: Bed, how: How) -> Measurement:
    """Do it. What goes wrong in the network becomes an `error` outcome: the others go on.

    Raises:
        Forbidden, Unauthorized: nothing can be run in pods. OutsideError: the image lacks a program.
    """
    source, _target = _ends(one, bed)
    command, read = _COMMANDS[one.quantity]
    argv = ["timeout", str(how.duration + SLACK), *command(one.address, how)]
    started = time.monotonic()
    try:
        found = poll(
            lambda: _run(kube, source, argv, read, how),
            lambda found: not (isinstance(found, str) and any(word in found.lower() for word in _WORDS)),
            deadline=kube.deadline.within(_BUSY),
            interval=1.0,
        )
    except (Forbidden, Unauthorized, OutsideError):
        raise
    except CiliumctlError as error:
        found = error.message
    done = replace(one, seconds=time.monotonic() - started)
    if isinstance(found, str):
        return replace(done, outcome="error", reason=found)
    if isinstance(found, Throughput):
        return replace(done, outcome="measured", throughput=found)
    return replace(done, outcome="measured", latency=found)


def _iperf3(address: str, how: How) -> list[str]:
    argv = ["iperf3", "--json", "--client", address, "--port", str(beds.THROUGHPUT), "--connect-timeout", "5000"]
    return [*argv, "--time", str(how.duration), "--parallel", str(how.streams), "--interval", "0"]


def _prober(address: str, how: How) -> list[str]:
    return [*beds.PROBER, "ask", address, str(beds.LATENCY), str(how.duration)]


Reader = Callable[[Mapping[str, Any]], Throughput | Latency]


def _run(kube: Kube, pod: Pod, argv: list[str], read: Reader, how: How) -> Throughput | Latency | str:
    """Run a program in a pod: what it measured, or what went wrong."""
    done = kube.exec(pod.namespace, pod.name, argv, container=beds.CLIENT, timeout=how.duration + SLACK + 10)
    program = argv[2]
    if done.code == _NOT_FOUND:
        raise OutsideError(f"there is no `{program}` in the image `{how.image}`", hint=beds.HINT)
    if done.code in _ENDED:
        return f"{program} did not come to its end within {how.duration + SLACK} s"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return understood(done.text, read) or f"{program} ended with exit code {done.code}: {(said or ['no words'])[-1]}"


def understood(text: str, read: Reader) -> Throughput | Latency | str:
    """What a program's JSON says: what it measured, or its own words about what went wrong; empty for anything else."""
    try:
        data = json.loads(text)
        error = data.get("error")
        return str(error).removeprefix("error - ") if error else read(data)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return ""


def throughput(data: Mapping[str, Any]) -> Throughput:
    """What iperf3's JSON says: what arrived, not what was sent. Raises `KeyError` and its like for anything else."""
    end = data["end"]
    return Throughput(
        bits_per_second=float(end["sum_received"]["bits_per_second"]),
        retransmits=int(end["sum_sent"].get("retransmits", 0)),
    )


def latency(data: Mapping[str, Any]) -> Latency:
    """What the prober's JSON says. Raises `KeyError` and its like for anything else."""
    histogram = [(int(value), int(count)) for value, count in data["histogram"]]
    return Latency(
        requests_per_second=data["count"] / data["seconds"],
        p50=percentile(histogram, 50) / 1000,
        p90=percentile(histogram, 90) / 1000,
        p99=percentile(histogram, 99) / 1000,
        max=data["max"] / 1000,
    )


_COMMANDS: dict[Quantity, tuple[Callable[[str, How], list[str]], Reader]] = {
    "throughput": (_iperf3, throughput),
    "latency": (_prober, latency),
}
