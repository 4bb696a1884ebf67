"""The real thing: etcd, API server, controllers, scheduler, kwok's nodes; Helm 3 and Helm 4; Cilium's own charts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import defaults, tools
from ciliumctl.clients.kube import LEASES, ConnectOptions, Kube, connect
from ciliumctl.clients.web import Web
from ciliumctl.lab.simulated import PROGRAMS
from ciliumctl.report import Reporter
from tests.world import stand_in
from tests.world.run import HERE, Ran

CHARTS = HERE.parent / "shared" / "data" / "charts"
_CACHE = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker("integration")


def chart(version: str) -> Path:
    """Cilium's own chart, from the folder beside the checkout; a test that needs it is skipped without."""
    path = CHARTS / f"cilium-{version}.tgz"
    if not path.is_file():
        pytest.skip(f"Cilium's chart {version} is not in `../shared/data/charts`")
    return path


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    """What the lab and its tests run: found, downloaded or built, once for all runs on this machine."""
    web = Web(environ=os.environ)
    report = Reporter(lambda _event: None)
    return tools.programs(
        [*PROGRAMS, "helm", "helm4"], folder=_CACHE / "bin", web=web, report=report, environ=os.environ
    )


@dataclass
class Cluster:
    """A lab, and the command line pointed at it."""

    folder: Path
    name: str
    helm: Path
    environ: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    #: The file that every simulated agent answers `cilium-dbg status` with.
    agent_answer: Path = Path(os.devnull)

    @property
    def kubeconfig(self) -> Path:
        """The file with the lab's context."""
        return self.folder / "kubeconfig"

    @property
    def kube(self) -> Kube:
        """A client of the test's own."""
        return connect(ConnectOptions(kubeconfig=str(self.kubeconfig)), self.environ)

    def argv(self, *arguments: str) -> list[str]:
        """The command line that runs `ciliumctl` on this cluster."""
        return [sys.executable, "-m", "ciliumctl", "--helm", str(self.helm), *arguments]

    def run(self, *arguments: str, timeout: float = 240.0, **environ: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            self.argv(*arguments),
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
        )
        return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that goes on; the fixture ends it if the test does not."""
        running = subprocess.Popen(
            self.argv(*arguments),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )
        self.running.append(running)
        return running

    def releases(self, namespace: str = "kube-system") -> list[dict[str, Any]]:
        """What Helm itself says is installed."""
        argv = [str(self.helm), "list", "-n", namespace, "-o", "json"]
        done = subprocess.run(argv, env=self.environ, capture_output=True, check=True)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def processes(self) -> dict[str, dict[str, Any]]:
        """The lab's processes by name, as the lab remembers them."""
        state = json.loads((self.folder / "cache" / "labs" / self.name / "lab.json").read_text())
        return {process["name"]: process for process in state["processes"]}

    @contextmanager
    def api_server_gone(self) -> Iterator[Callable[..., None]]:
        """Kill the API server; gives what starts it anew, with more flags. The new one ends with the block."""
        pid = self.processes()["kube-apiserver"]["pid"]
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        os.kill(pid, signal.SIGKILL)
        with ExitStack() as started:

            def come_back(*more_flags: str) -> None:
                again = subprocess.Popen([*argv, *more_flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                started.enter_context(again)
                started.callback(again.kill)

            yield come_back

    def clean(self) -> None:
        """Leave nothing for the next test to trip over."""
        for running in self.running:
            if running.poll() is None:
                running.kill()
            running.communicate()
        self.running.clear()
        for namespace in ("kube-system", "cilium"):
            # A command that was killed leaves its lock; the next test must not pay for what failed in this one.
            if self.kube.find(LEASES, "ciliumctl", namespace):
                self.kube.delete(LEASES, "ciliumctl", namespace)
            if self.releases(namespace):
                ran = self.run("uninstall", "--yes", "-n", namespace)
                assert ran.code == 0, ran.err


MakeCluster = Callable[..., Cluster]


@pytest.fixture(scope="session")
def make_cluster(programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeCluster]:
    """Start labs; all of them are ended with the session."""
    made: list[Cluster] = []

    def make(name: str, *more: str, **started_with: str) -> Cluster:
        folder = tmp_path_factory.mktemp(name)
        cache = folder / "cache"
        cache.mkdir()
        (cache / "bin").symlink_to(_CACHE / "bin")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("CILIUMCTL", "HELM", "KUBE"))}
        environ |= {
            "CILIUMCTL_CACHE": str(cache),
            "CILIUMCTL_CONFIG": str(folder / "none.yaml"),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "PYTHONPATH": str(HERE),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }
        environ.pop("GITHUB_ACTIONS", None)
        cluster = Cluster(folder=folder, name=name, helm=programs["helm"], environ=environ)
        made.append(cluster)
        ran = cluster.run("lab", "up", "--name", name, *more, timeout=280, **started_with)
        assert ran.code == 0, ran.err
        return cluster

    yield make
    for cluster in made:
        ran = cluster.run("lab", "down", "--name", cluster.name, "--yes")
        assert ran.code == 0, ran.err


@pytest.fixture(scope="session")
def shared_cluster(make_cluster: MakeCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three simulated nodes for all tests that leave the control plane alone; port-forwards end at a stand-in."""
    folder = tmp_path_factory.mktemp("kwok")
    # What `cilium-dbg status` says in every simulated agent.
    agent = folder / "cilium-dbg"
    agent.write_text(f"#!/bin/sh\ncat {folder}/answer.json\n")
    agent.chmod(0o755)
    (folder / "answer.json").write_text("{}")
    with stand_in.page() as port:
        config = folder / "kwok.yaml"
        config.write_text(stand_in.forwarded_to(port) + stand_in.EXEC, encoding="utf-8")
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        cluster = make_cluster("shared", "--nodes", "3", "--kwok-config", str(config), PATH=path)
        cluster.agent_answer = folder / "answer.json"
        yield cluster


@pytest.fixture
def lab(shared_cluster: Cluster, programs: dict[str, Path]) -> Iterator[Cluster]:
    """The shared cluster, without Cilium before and after."""
    shared_cluster.helm = programs["helm"]
    yield shared_cluster
    shared_cluster.helm = programs["helm"]
    shared_cluster.clean()


def eventually(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.05)
