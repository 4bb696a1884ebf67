"""How long commands take, as ratios in one run: `nox -s bench`.

Start-up against an empty Python; an installation against bare helm; status at growing numbers of simulated nodes, and
against another CLI (`--peer PATH`) on the same cluster; connectivity tests on real nodes, where those can run. Figures
are medians of several runs that take turns, so that a noisy machine disturbs both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench import traffic
from tests.bench.figures import HERE, TOOL, Figure, Run, compared, run, say, table

PARTS = ("start", "install", "status", "connectivity")
CHART = HERE.parent / "shared" / "data" / "charts" / "cilium-1.15.6.tgz"
SMALL_CHART = HERE / "tests" / "charts" / "cilium"


def main() -> int:
    """Measure, print the table, write the JSON."""
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="ciliumctl-bench-") as folder:
        bench = Bench(Path(folder), options.runs, str(options.chart))
        figures: list[Figure] = []
        try:
            if "start" in options.part:
                figures += bench.start_up()
            if "install" in options.part:
                figures += bench.installation()
            for nodes in options.nodes if "status" in options.part else ():
                figures += bench.status(nodes, options.peer)
        finally:
            bench.end()
        if "connectivity" in options.part:
            figures += traffic.connectivity(options.runs, options.chart, Path(folder))
    if figures:
        table(figures)
    result = [{**asdict(figure), "ratio": round(figure.ratio, 3)} for figure in figures]
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure ciliumctl.")
    parser.add_argument("--part", nargs="*", choices=PARTS, default=PARTS, help="what is measured (default: all)")
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
        return compared(what, mine, against, theirs)

    def run(self, argv: Sequence[str]) -> Run:
        """One run to its end."""
        return run(argv, self.environ)

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
        say(f"starting a lab with {nodes} simulated nodes")
        argv = [*TOOL, "lab", "up", "--name", name, "--nodes", str(nodes), "--provider", "simulated", "-q"]
        subprocess.run(argv, env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        """Leave nothing running."""
        while self.labs:
            argv = [*TOOL, "lab", "down", "--name", self.labs.pop(), "-q"]
            subprocess.run(argv, env=self.environ, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
