"""How long commands take, as ratios in one run: `nox -s bench`.

Start-up against an empty Python; an installation against bare helm; status at growing numbers of simulated nodes, and
against another CLI (`--peer PATH`) on the same cluster. Figures are medians of several runs that take turns, so that a
noisy machine disturbs both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
CHART = HERE.parent / "shared" / "data" / "charts" / "cilium-1.15.6.tgz"
SMALL_CHART = HERE / "tests" / "charts" / "cilium"
TOOL = [sys.executable, "-m", "ciliumctl"]


@dataclass(frozen=True)
class Figure:
    """One measurement: medians in seconds, the largest resident memory in MB; `ratio` is ours to the other."""

    what: str
    ours: float
    other: float
    against: str
    memory: float

    @property
    def ratio(self) -> float:
        """How many times the other's time ours takes; 0 without another."""
        return self.ours / self.other if self.other else 0.0


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds and megabytes."""

    seconds: float
    memory: float


def main() -> int:
    """Measure, print the table, write the JSON."""
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="ciliumctl-bench-") as folder:
        bench = Bench(Path(folder), options.runs, str(options.chart))
        figures = bench.start_up()
        try:
            figures += bench.installation()
            for nodes in options.nodes:
                figures += bench.status(nodes, options.peer)
        finally:
            bench.end()
    _print(figures)
    result = [{**asdict(figure), "ratio": round(figure.ratio, 3)} for figure in figures]
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure ciliumctl.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default: 5)")
    parser.add_argument("--nodes", type=int, nargs="*", default=[100, 1000, 5000], help="sizes of the cluster")
    parser.add_argument("--peer", default="", help="another CLI, whose `status` is run on the same cluster")
    parser.add_argument("--chart", type=Path, default=CHART if CHART.is_file() else SMALL_CHART)
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    return parser.parse_args()


class Bench:
    """The measurements, on labs of their own."""

    def __init__(self, folder: Path, runs: int, chart: str) -> None:
        self.runs = runs
        self.chart = chart
        self.environ = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "PYTHONPATH": str(HERE)}
        self.labs: list[str] = []

    def start_up(self) -> list[Figure]:
        """The price of `--help` and `version --client`, against an empty program."""
        empty = [sys.executable, "-c", "pass"]
        return [
            self.pair("`--help`", [*TOOL, "--help"], "empty Python", empty),
            self.pair("`version --client`", [*TOOL, "version", "--client"], "empty Python", empty),
        ]

    def installation(self) -> list[Figure]:
        """An installation, against bare helm with the same chart and values."""
        self.lab(3)
        helm = self.helm()
        values = ["--set", "operator.replicas=1"]
        bare = [helm, "install", "cilium", self.chart, "-n", "kube-system", *values]
        ours = [*TOOL, "install", "--chart", self.chart, *values]

        def gone() -> None:
            subprocess.run([*TOOL, "uninstall", "--yes", "-q"], env=self.environ, check=True, capture_output=True)

        figure = self.pair("`install`", ours, "helm install", bare, after=gone)
        self.run(ours)
        again = self.pair("`install`, unchanged", ours, "helm list", [helm, "list", "-A"])
        return [figure, again]

    def status(self, nodes: int, peer: str) -> list[Figure]:
        """`status` on a healthy cluster, against another CLI's."""
        self.lab(nodes)
        self.run([*TOOL, "install", "--chart", self.chart, "--wait", "--timeout", "20m"])
        other = [peer, "status", "--wait=false"] if peer else []
        return [self.pair(f"`status`, {nodes} nodes", [*TOOL, "status"], Path(peer).name, other)]

    def pair(
        self,
        what: str,
        ours: Sequence[str],
        against: str,
        other: Sequence[str],
        after: Callable[[], None] | None = None,
    ) -> Figure:
        """Run both in turns."""
        mine: list[Run] = []
        theirs: list[Run] = []
        for _ in range(self.runs):
            for argv, into in ((ours, mine), (other, theirs)):
                if argv:
                    into.append(self.run(argv))
                    if after is not None:
                        after()
        print(f"# {what}: {statistics.median(run.seconds for run in mine):.2f} s", flush=True)
        return Figure(
            what=what,
            ours=statistics.median(run.seconds for run in mine),
            other=statistics.median(run.seconds for run in theirs) if theirs else 0.0,
            against=against if theirs else "",
            memory=max(run.memory for run in mine),
        )

    def run(self, argv: Sequence[str]) -> Run:
        """One run to its end, watched for its memory."""
        started = time.monotonic()
        with subprocess.Popen(
            argv, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            drained = [threading.Thread(target=pipe.read) for pipe in (running.stdout, running.stderr) if pipe]
            for thread in drained:
                thread.start()
            _pid, code, usage = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(code)
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, list(argv))
        return Run(seconds=time.monotonic() - started, memory=usage.ru_maxrss / 1024)

    def helm(self) -> str:
        """The helm that ciliumctl uses."""
        shown = subprocess.run(
            [*TOOL, "version", "-o", "json"], env=self.environ, capture_output=True, check=True, text=True
        )
        found = json.loads(shown.stdout)["data"]["helm_path"]
        return str(found or shutil.which("helm"))

    def lab(self, nodes: int) -> None:
        """A fresh cluster in place of the last one."""
        self.end()
        name = f"bench-{os.getpid()}-{nodes}"
        self.labs.append(name)
        print(f"# starting a lab with {nodes} simulated nodes", flush=True)
        argv = [*TOOL, "lab", "up", "--name", name, "--nodes", str(nodes), "--provider", "simulated", "-q"]
        subprocess.run(argv, env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        """Leave nothing running."""
        while self.labs:
            argv = [*TOOL, "lab", "down", "--name", self.labs.pop(), "-q"]
            subprocess.run(argv, env=self.environ, check=True, stdout=subprocess.DEVNULL)


def _print(figures: Sequence[Figure]) -> None:
    print(f"\n{'':28}{'ours':>9}{'other':>9}{'ratio':>8}{'memory':>10}  against")
    for figure in figures:
        other = f"{figure.other:8.2f}s" if figure.other else f"{'-':>9}"
        ratio = f"{figure.ratio:8.2f}" if figure.other else f"{'-':>8}"
        print(f"{figure.what:28}{figure.ours:8.2f}s{other}{ratio}{figure.memory:7.0f} MB  {figure.against}")


if __name__ == "__main__":
    sys.exit(main())
