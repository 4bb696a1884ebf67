"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.world.cluster import FakeCluster, fake_cluster
from tests.world.helm import StubHelm
from tests.world.run import Ran, quiet_environ, run

# Timings are noisy on shared machines: a slow example is no failure.
settings.register_profile("ciliumctl", deadline=None)
settings.load_profile("ciliumctl")


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
