"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.world.cluster import FakeCluster, fake_cluster
from tests.world.helm import StubHelm
from tests.world.run import Ran, quiet_environ, run

# Timings are noisy on shared machines: a slow example is no failure. What decides about a change tries the same
# examples each time; at a desk they are new ones with every run, and what they find becomes a test.
settings.register_profile("ciliumctl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ciliumctl")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_arrives() -> Iterator[None]:
    """A run in the background of a shell ignores Ctrl-C, and so would every command that the tests interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """An API server in this process."""
    with fake_cluster() as running:
        yield running


@pytest.fixture
def stub_helm(tmp_path: Path) -> StubHelm:
    """A program that stands in for helm."""
    folder = tmp_path / "stub-helm"
    folder.mkdir()
    return StubHelm(folder)


Command = Callable[..., Ran]


@pytest.fixture
def command(cluster: FakeCluster, tmp_path: Path) -> Command:
    """Run a command against the API server in this process."""
    kubeconfig = cluster.kubeconfig(tmp_path)

    def call(*arguments: str, stdin: str = "", **more: str) -> Ran:
        env = quiet_environ(tmp_path, KUBECONFIG=str(kubeconfig), **more)
        return run(*arguments, env=env, stdin=stdin)

    return call
