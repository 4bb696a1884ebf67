"""Real nodes: kubelets, containers and traffic, with stand-ins for Cilium's own programs.

Nothing here runs unless this folder, or a file in it, is asked for by name: `nox -s e2e`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ciliumctl import defaults
from ciliumctl.errors import Locked, Missing
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline
from tests.cluster import cluster as real
from tests.cluster import dns, leftovers, machine
from tests.cluster.__main__ import CHARTS, default_charts
from tests.cluster.enforcer import Enforcer
from tests.world.run import HERE, Ran

_FOLDER = Path(__file__).parent
CACHE = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder())
VALUES = HERE / "tests" / "cluster" / "values.yaml"
#: The newest that we test: what policies may say there is more than in 1.15.6, which the quickstart shows.
VERSION = "1.20.0"
CHART = CHARTS / f"cilium-{VERSION}.tgz"
#: Another name lets two people run these tests on one machine at a time.
_NAME = os.environ.get("CILIUMCTL_E2E_NAME") or "e2e-test"
#: A cluster that runs already, and stays: what one writes tests with. `python -m tests.cluster up --outside --name NAME`.
_RUNNING = os.environ.get("CILIUMCTL_E2E_RUNNING", "")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the folder out of a plain `pytest`: it takes minutes, root, and the whole machine."""
    asked = [Path(str(argument).split("::", maxsplit=1)[0]).resolve() for argument in config.args]
    return None if any(path == _FOLDER or _FOLDER in path.parents for path in asked) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, and give it the time that real nodes take."""
    for item in items:
        if _FOLDER in Path(item.fspath).parents:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def machine_for_nodes() -> Iterator[None]:
    """This machine can run real nodes, and no other run has them; otherwise the tests are skipped with the reason."""
    if _RUNNING:
        yield
        return
    try:
        machine.check()
    except Missing as error:
        pytest.skip(f"{error.message}: {error.hint}")
    with ExitStack() as held:
        try:
            held.enter_context(real.alone(_NAME))
        except Locked as error:
            pytest.exit(f"{error.message}: {error.hint}, or set CILIUMCTL_E2E_NAME", 3)
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """A cluster of two real nodes with Cilium's chart on it, and the command line pointed at it."""

    cluster: real.Cluster
    enforcer: Enforcer
    environ: dict[str, str]

    def argv(self, *arguments: str) -> list[str]:
        """The command line that runs `ciliumctl` on this cluster."""
        helm = str(self.cluster.programs["helm"])
        return [sys.executable, "-m", "ciliumctl", "--helm", helm, *arguments]

    def run(self, *arguments: str, timeout: float = 280.0, **environ: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            self.argv(*arguments),
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=self.cluster.folder,
        )
        return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def up(name: str, folder: Path) -> real.Cluster:
    """Two nodes without a CNI, and one outside that will never have one."""
    silent = Reporter(lambda _event: None)
    return real.up(name, folder, count=2, bins=CACHE / "bin", charts=default_charts(), report=silent, outside=True)


def environ_for(cluster: real.Cluster) -> dict[str, str]:
    """The environment of commands on a cluster: nothing of this machine's user comes in."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("CILIUMCTL", "HELM", "KUBE"))}
    environ.pop("GITHUB_ACTIONS", None)
    return environ | {
        "CILIUMCTL_CACHE": str(cluster.folder / "cache"),
        "CILIUMCTL_CONFIG": str(cluster.folder / "none.yaml"),
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONPATH": str(HERE),
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }


@pytest.fixture(scope="session")
def cluster(machine_for_nodes: None) -> Iterator[Nodes]:
    """Two nodes; Cilium installed by `ciliumctl install`, DNS ready, policies enforced. Gone with the session."""
    del machine_for_nodes
    if not CHART.is_file():
        pytest.skip(f"Cilium's chart is not at `{CHART}`")
    if _RUNNING:
        nodes = _with_cilium(real.load(real.folder_of(_RUNNING)))
        yield nodes
        nodes.enforcer.freeze()
        return
    # Not a folder of this run's: one that was killed left its files, by which the next one finds its processes.
    folder = real.folder_of(_NAME)
    running = up(_NAME, folder)
    try:
        nodes = _with_cilium(running)
        yield nodes
        nodes.enforcer.stop()
    finally:
        groups = leftovers.cgroups(folder)
        real.down(_NAME, folder)
    # The pods are in control groups that every container on the machine shares.
    left = [*leftovers.traces(_NAME, folder), *(str(group) for group in groups if group.exists())]
    assert left == []


def _with_cilium(running: real.Cluster) -> Nodes:
    """The nodes with policies enforced, Cilium installed where it is not, and DNS ready."""
    nodes = Nodes(cluster=running, enforcer=Enforcer.start(running), environ=environ_for(running))
    ran = nodes.run("install", "--chart", str(CHART), "-f", str(VALUES), "--wait")
    assert ran.code == 0, ran.err
    assert dns.wait(running.kube, Deadline.after(60)), "DNS did not get ready"
    return nodes
