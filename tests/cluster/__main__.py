"""Try it by hand: `python -m tests.cluster check|up|down|enforce [--nodes N] [--outside] [--name NAME] [--folder DIR] [--chart FILE]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ciliumctl import defaults
from ciliumctl.cli.sinks import choose
from ciliumctl.errors import CiliumctlError
from ciliumctl.report import Reporter
from tests.cluster import cluster, enforcer, leftovers, machine

CHARTS = Path(__file__).parents[3] / "shared" / "data" / "charts"
#: The charts whose images are there as stand-ins, when nobody names others: the oldest and the newest we test.
VERSIONS = ("1.15.6", "1.20.0")


def main() -> int:
    """Start or end a cluster of real nodes."""
    parser = argparse.ArgumentParser(description="A cluster of real nodes.")
    parser.add_argument("what", choices=["check", "up", "down", "enforce"])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--outside", action="store_true", help="the outside world is a node, too, without a CNI")
    parser.add_argument("--name", default="e2e")
    parser.add_argument("--folder", type=Path, help="where its files are (/var/tmp/ciliumctl-NAME)")
    parser.add_argument("--chart", type=Path, action="append", help="a chart of Cilium to have stand-in images for")
    options = parser.parse_args()
    folder = options.folder or cluster.folder_of(options.name)
    try:
        return _do(options, folder, options.chart or default_charts())
    except CiliumctlError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code


def default_charts() -> list[Path]:
    """The charts beside the checkout that stand-ins are made for."""
    return [file for version in VERSIONS if (file := CHARTS / f"cilium-{version}.tgz").is_file()]


def _do(options: argparse.Namespace, folder: Path, charts: Sequence[Path]) -> int:
    what, name = options.what, options.name
    if what == "check":
        machine.check()
        return 0
    if what == "down":
        cluster.down(name, folder)
        left = leftovers.traces(name, folder)
        print("\n".join(f"still there: {line}" for line in left), end="\n" if left else "", file=sys.stderr)
        return 1 if left else 0
    if what == "enforce":
        return _enforce(folder)
    sink = choose("plain", quiet=False, stream=sys.stderr, color=False, environ=os.environ)
    bins = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder()) / "bin"
    made = cluster.up(
        name, folder, count=options.nodes, bins=bins, charts=charts, report=Reporter(sink), outside=options.outside
    )
    print(made.kubeconfig)
    return 0


def _enforce(folder: Path) -> int:
    """Enforce policies until Ctrl-C or SIGTERM; then every rule is taken away."""
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ending.set())
    running = enforcer.Enforcer.start(cluster.load(folder))
    enforcer.say("enforcing until Ctrl-C")
    ending.wait()
    running.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
