"""The main job, end to end: each command is printed, then run. `nox -s quickstart` runs this file.

A throwaway cluster without a CNI; Cilium on it, waited for and judged; a look at its values; Hubble and its page; all
of it gone again.

As root on a machine that has what `tests/cluster` needs, with a chart at hand, the nodes are real: kubelets in namespaces
of their own, whose network `connectivity test` tries with real traffic. Elsewhere the nodes are a lab's, and where no
container engine answers they are simulated. In both cases the control plane, Helm and the chart are real, and what runs in
Cilium's pods are stand-ins.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ciliumctl import defaults
from ciliumctl.cli.sinks import choose
from ciliumctl.clients.kube import NODES, conditions_of, dig, name_of
from ciliumctl.errors import Locked, Missing
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline
from tests.cluster import cluster, dns, enforcer, images, machine
from tests.world import stand_in

HERE = Path(__file__).parent
VERSION = "1.15.6"
# The cluster of real nodes: always the same, so that the next run finds what a killed one left.
_NAME = "quickstart"
# 0 for as asked, 6 for "the repository cannot be reached".
REPOSITORY_GONE = 6


def main() -> int:
    """Run it all; returns the exit code of the first command that fails."""
    options = arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ciliumctl-quickstart-") as scratch, stand_in.page() as port:
        tour = Tour(Path(scratch), port)
        try:
            tour.run(options.chart or os.environ.get("CILIUMCTL_CHART", ""), options.nodes, simulated=options.simulated)
        except subprocess.CalledProcessError as error:
            say(f"this command ended with {error.returncode}; the quickstart stops here")
            return error.returncode
        except Locked as error:
            say(f"{error.message}: {error.hint}")
            return error.exit_code
        finally:
            tour.end()
    say(f"all done in {time.monotonic() - started:.0f} s")
    return 0


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--chart", default="", help="chart folder or archive (default: Cilium's repository)")
    parser.add_argument("--nodes", default=3, type=int, help="how many nodes (default: 3)")
    parser.add_argument("--simulated", action="store_true", help="a lab also where real nodes could run")
    return parser.parse_args()


class Tour:
    """The commands, in order, on a lab and a kubeconfig of their own."""

    def __init__(self, scratch: Path, port: int) -> None:
        self.scratch = scratch
        self.port = port
        self.name = f"quickstart-{os.getpid()}"
        self.up = False
        self.real: cluster.Cluster | None = None
        self.environ = {**os.environ, "KUBECONFIG": str(scratch / "kubeconfig")}
        # What this tour shows must not hang on what somebody has set for other work.
        for name in [name for name in self.environ if name.startswith("CILIUMCTL_") and name != "CILIUMCTL_CACHE"]:
            del self.environ[name]

    def run(self, chart: str, nodes: int, *, simulated: bool) -> None:
        """Every step. Raises `CalledProcessError` when a command fails."""
        source = self.chart(chart)
        why = "`--simulated` was asked for" if simulated else self.why_no_real_nodes(source)
        say(f"the nodes are those of a lab: {why}" if why else "the nodes are real; what runs in Cilium's pods is not")
        if why:
            self.on_a_lab(source, nodes)
        else:
            with cluster.alone(_NAME) as folder:
                try:
                    self.on_real_nodes(Path(source[1]), folder)
                finally:
                    self.end()

    def why_no_real_nodes(self, source: list[str]) -> str:
        """Why they cannot run here; empty when they can. Nothing is installed for them."""
        try:
            machine.check()
        except Missing as error:
            return error.message
        lacking = machine.missing()
        if lacking:
            return f"real ones need Debian's {', '.join(lacking)}"
        if not source or not Path(source[1]).is_file():
            return "stand-ins for Cilium's images are made for a chart archive only"
        return ""

    def on_real_nodes(self, chart: Path, folder: Path) -> None:
        """Two kubelets with real traffic, and stand-ins for Cilium's programs."""
        bins = Path(self.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder()) / "bin"
        sink = choose("auto", quiet=False, stream=sys.stderr, color=False, environ=os.environ)
        self.real = cluster.up(_NAME, folder, count=2, bins=bins, charts=[chart], report=Reporter(sink))
        self.environ["KUBECONFIG"] = str(self.real.kubeconfig)
        self.show_nodes()
        values = str(HERE / "cluster" / "values.yaml")
        self.call("install", "--chart", str(chart), "-f", values, "--wait")
        self.show_nodes()
        self.call("status", "--wait")
        dns.wait(self.real.kube, Deadline.after(60))
        policies = enforcer.Enforcer.start(self.real)
        try:
            self.call("connectivity", "test", "--image", f"probe={images.PROBE}")
        finally:
            policies.stop()
        self.call("hubble", "enable", "--ui")
        self.ask_the_page()
        self.call("uninstall", "--yes")

    def show_nodes(self) -> None:
        """Which nodes are ready."""
        assert self.real is not None
        for node in self.real.kube.objects(NODES):
            ready = dig(conditions_of(node).get("Ready"), "status", default="")
            say(f"{name_of(node)}: {'Ready' if ready == 'True' else 'NotReady'}")

    def on_a_lab(self, source: list[str], nodes: int) -> None:
        """A lab of ciliumctl's own."""
        forwards = self.scratch / "kwok.yaml"
        forwards.write_text(stand_in.forwarded_to(self.port), encoding="utf-8")
        self.up = True
        self.call("lab", "up", "--name", self.name, "--nodes", str(nodes), "--kwok-config", str(forwards))
        self.call("detect")
        self.call("install", "--version", VERSION, *source, "--wait")
        self.call("status", "--wait")
        self.call("values", "show", "--version", VERSION, *source)
        self.call("hubble", "enable", "--ui")
        self.ask_the_page()
        self.call("uninstall", "--yes")

    def end(self) -> None:
        """Whatever happened, leave nothing running."""
        if self.real is not None:
            say("ending the nodes")
            cluster.down(_NAME, self.real.folder)
            self.real = None
        if self.up:
            self.up = False
            self.call("lab", "down", "--name", self.name, "--yes")

    def chart(self, named: str) -> list[str]:
        """The flags for the chart: the one named, Cilium's repository, the charts beside the checkout, our own."""
        if named:
            return ["--chart", named]
        tried = [
            sys.executable,
            "-m",
            "ciliumctl",
            "values",
            "show",
            "--version",
            VERSION,
            "--offline",
            "-q",
            "-o",
            "json",
        ]
        asked = subprocess.run(tried, env=self.environ, capture_output=True, check=False)
        if asked.returncode != REPOSITORY_GONE:
            return []
        say(json.loads(asked.stdout)["error"]["message"])
        beside = HERE.parents[1] / "shared" / "data" / "charts" / f"cilium-{VERSION}.tgz"
        if beside.is_file():
            say("taking the chart from the folder beside this checkout")
            return ["--chart", str(beside)]
        say("taking the small chart in `tests/`: it has the names of Cilium's objects, and no Cilium in it")
        return ["--chart", str(HERE / "charts" / "cilium")]

    def ask_the_page(self) -> None:
        """`hubble ui` runs until it is interrupted: start it, ask the page once, end it."""
        command = ["hubble", "ui", "12000:80" if is_free(12000) else ":80", "--no-open-browser"]
        announce(command)
        with subprocess.Popen(argv(command), env=self.environ, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            try:
                if not url.startswith("http"):
                    raise subprocess.CalledProcessError(running.wait() or 1, command)
                print(url)
                print(f"\n$ curl {url}", flush=True)
                local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with local.open(url, timeout=30) as answer:
                    page = answer.read()
                print(f"HTTP {answer.status}, {len(page)} bytes", end="")
                print(f": {page.decode().strip()}" if page == stand_in.PAGE else "", flush=True)
            finally:
                running.send_signal(signal.SIGINT)
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)

    def call(self, *command: str) -> None:
        """Print a command, and run it."""
        announce(command)
        subprocess.run(argv(command), env=self.environ, stdin=subprocess.DEVNULL, check=True)


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def argv(command: list[str] | tuple[str, ...]) -> list[str]:
    """The command line that runs `ciliumctl` from this environment."""
    return [sys.executable, "-m", "ciliumctl", *command]


def announce(command: list[str] | tuple[str, ...]) -> None:
    """Print a command as one would type it."""
    print(f"\n$ ciliumctl {shlex.join(command)}", flush=True)


def say(text: str) -> None:
    """A word of this script's own."""
    print(f"# {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
