"""Try it by hand: `python -m tests.cluster up|down [--nodes N] [--folder DIR]`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ciliumctl import defaults
from ciliumctl.cli.sinks import choose
from ciliumctl.errors import CiliumctlError
from ciliumctl.report import Reporter
from tests.cluster import cluster, images


def main() -> int:
    """Start or end a cluster of real nodes."""
    parser = argparse.ArgumentParser(description="A cluster of real nodes.")
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--name", default="e2e")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/ciliumctl-e2e"))  # noqa: S108
    options = parser.parse_args()
    if options.what == "down":
        cluster.down(options.name, options.folder)
        return 0
    sink = choose("plain", quiet=False, stream=sys.stderr, color=False, environ=os.environ)
    bins = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder()) / "bin"
    try:
        made = cluster.up(
            options.name,
            options.folder,
            count=options.nodes,
            bins=bins,
            pictures=images.stand_ins(),
            report=Reporter(sink),
        )
    except CiliumctlError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(made.kubeconfig)
    return 0


if __name__ == "__main__":
    sys.exit(main())
