"""What `connectivity test` costs on two real nodes, with real traffic and stand-ins for Cilium's programs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ciliumctl import defaults
from ciliumctl.errors import LabFailed, Locked, Missing
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline
from tests.bench.figures import HERE, TOOL, Figure, Run, compared, run, say
from tests.cluster import cluster as real
from tests.cluster import dns, images, machine
from tests.cluster.enforcer import Enforcer

_NAME = "bench"
_VALUES = HERE / "tests" / "cluster" / "values.yaml"
#: A run of everything takes minutes.
_FULL_RUNS = 3


@dataclass(frozen=True)
class Tested:
    """One connectivity test: the whole command, and what its report says."""

    run: Run
    parts: Mapping[str, float]
    scenarios: int
    probes: int
    execs: int


def connectivity(runs: int, chart: Path, folder: Path) -> list[Figure]:
    """All figures; none where real nodes cannot run, which is said."""
    try:
        machine.check()
    except Missing as error:
        say(f"no connectivity test: {error.message}")
        return []
    if not chart.is_file():
        say(
            f"no connectivity test: stand-ins for Cilium's images are made for a chart's archive, and `{chart}` is none"
        )
        return []
    try:
        with real.alone(_NAME) as place, _nodes(chart, place) as environ:
            return _Bench(environ, folder / "report.json").figures(runs)
    except Locked as error:
        say(f"no connectivity test: {error.message}")
        return []


@contextmanager
def _nodes(chart: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Two nodes with Cilium; the environment in which commands find them."""
    say("starting two real nodes")
    bins = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder()) / "bin"
    nodes = real.up(_NAME, folder, count=2, bins=bins, charts=[chart], report=Reporter(lambda _event: None))
    try:
        environ = {
            **os.environ,
            "KUBECONFIG": str(nodes.kubeconfig),
            "PYTHONPATH": str(HERE),
            "CILIUMCTL_HELM": str(nodes.programs["helm"]),
        }
        run([*TOOL, "install", "--chart", str(chart), "-f", str(_VALUES), "--wait"], environ)
        if not dns.wait(nodes.kube, Deadline.after(60)):
            raise LabFailed("DNS did not get ready", hint=f"the nodes' logs are below `{folder}`")
        enforcer = Enforcer.start(nodes)
        try:
            yield environ
        finally:
            enforcer.stop()
    finally:
        real.down(_NAME, folder)


class _Bench:
    """The runs on one cluster."""

    def __init__(self, environ: Mapping[str, str], report: Path) -> None:
        self.environ = environ
        self.report = report

    def figures(self, runs: int) -> list[Figure]:
        """Smoke from nothing, smoke with the pods of the run before, and everything."""
        smoke = self.series(runs)
        self.series(1, "--keep")
        kept = self.series(runs, "--keep")
        run([*TOOL, "connectivity", "cleanup", "--yes", "-q"], self.environ)
        full = self.series(min(runs, _FULL_RUNS), "--profile", "full")
        whole = [one.run for one in smoke]
        found: list[Figure] = []
        for name, tests in (("smoke", smoke), ("smoke again, `--keep`", kept), ("full", full)):
            if tests:
                found.append(compared(name, [one.run for one in tests], "smoke", [] if tests is smoke else whole))
                found += [*_parts(name, tests), *_counts(name, tests)]
        return found

    def series(self, runs: int, *arguments: str) -> list[Tested]:
        """The tests that passed: what failed took another time, waiting for answers."""
        tests = [self.test(*arguments) for _ in range(runs)]
        return [one for one in tests if one is not None]

    def test(self, *arguments: str) -> Tested | None:
        """One test; none when the network did not pass it, which is said."""
        argv = [*TOOL, "connectivity", "test", "--image", f"probe={images.PROBE}", "-q"]
        failed: subprocess.CalledProcessError | None = None
        ran = Run(0.0, 0.0)
        self.report.unlink(missing_ok=True)
        try:
            ran = run([*argv, *arguments, "--report", f"json={self.report}"], self.environ)
        except subprocess.CalledProcessError as error:
            failed = error
        envelope: dict[str, Any] = json.loads(self.report.read_text(encoding="utf-8")) if self.report.exists() else {}
        data: dict[str, Any] = envelope.get("data") or {"scenarios": []}
        if failed is not None:
            names = [one["name"] for one in data["scenarios"] if one["outcome"] in {"failed", "error"}]
            say(f"left out: {' '.join(arguments)} ended with {failed.returncode}: {', '.join(names) or 'no result'}")
            return None
        parts = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in data["seconds"].items())
        say(" ".join(["connectivity test", *arguments]) + f": {ran.seconds:.1f} s ({parts}; {data['execs']} execs)")
        done = [one for one in data["scenarios"] if one["outcome"] != "skipped"]
        return Tested(
            run=ran,
            parts=data["seconds"],
            scenarios=len(done),
            probes=sum(len(one["probes"]) for one in done),
            execs=data["execs"],
        )


def _parts(name: str, tests: Sequence[Tested]) -> Iterator[Figure]:
    """How long each part of a test took, against the whole of it."""
    whole = statistics.median(one.run.seconds for one in tests)
    for part in tests[0].parts:
        seconds = statistics.median(one.parts[part] for one in tests)
        yield Figure(what=f"{name}: {part}", ours=seconds, other=whole, against=f"all of {name}")


def _counts(name: str, tests: Sequence[Tested]) -> Iterator[Figure]:
    """How much was asked: by the test, by the second, and in how many execs."""

    def median(number: Callable[[Tested], float]) -> float:
        return statistics.median(number(one) for one in tests)

    yield Figure(what=f"{name}: scenarios", ours=median(lambda one: one.scenarios), unit="")
    yield Figure(what=f"{name}: probes", ours=median(lambda one: one.probes), unit="")
    yield Figure(what=f"{name}: probes a second", ours=median(lambda one: one.probes / one.parts["tests"]), unit="/s")
    yield Figure(
        what=f"{name}: execs",
        ours=median(lambda one: one.execs),
        other=median(lambda one: one.probes),
        against="probes",
        unit="",
    )
