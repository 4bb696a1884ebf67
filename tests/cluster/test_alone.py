"""One run at a time has a cluster of real nodes: no root, no nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.errors import Locked
from tests import quickstart
from tests.bench import traffic
from tests.cluster import cluster, machine


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of clusters are not this machine's, and no node is ever started."""

    def start(name: str, folder: Path, **_more: object) -> cluster.Cluster:
        raise AssertionError((name, folder))

    monkeypatch.setattr(cluster, "folder_of", lambda name: tmp_path / name)
    monkeypatch.setattr(cluster, "up", start)
    monkeypatch.setattr(machine, "check", lambda: None)
    monkeypatch.setattr(machine, "missing", list)
    return tmp_path


def test_a_name_is_one_run_s_until_it_ends(folders: Path) -> None:
    with cluster.alone("it") as folder:
        assert folder == folders / "it"
        with pytest.raises(Locked, match="another run has the nodes of `it`"), cluster.alone("it"):
            pass
        with cluster.alone("it.2"):
            pass
    with cluster.alone("it"):
        pass


def test_a_second_quickstart_leaves_the_first_one_s_nodes_alone(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = folders / "cilium.tgz"
    chart.touch()
    monkeypatch.setattr("sys.argv", ["quickstart", "--chart", str(chart)])
    with cluster.alone("quickstart"):
        assert quickstart.main() == 3
    assert "another run has the nodes of `quickstart`" in capsys.readouterr().out


def test_the_next_quickstart_has_the_folder_of_a_killed_one(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = folders / "cilium.tgz"
    chart.touch()
    monkeypatch.setattr("sys.argv", ["quickstart", "--chart", str(chart)])
    for _run in range(2):
        with pytest.raises(AssertionError) as caught:
            quickstart.main()
        assert caught.value.args == (("quickstart", folders / "quickstart"),)


def test_a_second_bench_leaves_the_first_one_s_nodes_alone(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = folders / "cilium.tgz"
    chart.touch()
    with cluster.alone("bench"):
        assert traffic.connectivity(1, chart, folders) == []
    assert "another run has the nodes of `bench`" in capsys.readouterr().out
