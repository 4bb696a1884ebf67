from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl.errors import Locked, UsageError
from ciliumctl.lab.processes import Process
from ciliumctl.lab.state import Lab, Labs, checked_name


def lab(name: str = "one", *, complete: bool = True) -> Lab:
    return Lab(
        name=name,
        provider="simulated",
        nodes=3,
        kubernetes="1.34.4",
        server="https://127.0.0.1:1",
        context=name,
        kubeconfig=Path("/x/admin.conf"),
        created=1.0,
        complete=complete,
    )


def test_a_lab_is_kept_and_found_again(tmp_path: Path) -> None:
    labs = Labs(tmp_path)
    process = Process(name="etcd", pid=1, born="2", log=Path("/x/etcd.log"))
    labs.save(lab())
    kept = labs.add_process(lab(), process)
    assert labs.load("one") == kept
    assert labs.names() == ["one"]
    labs.remove("one")
    assert labs.load("one") is None


def test_a_lab_whose_programs_ended_is_broken() -> None:
    gone = Process(name="etcd", pid=2**22 + 1, born="2", log=Path("/x"))
    from dataclasses import replace

    assert lab().state == "running"
    assert replace(lab(), processes=(gone,)).state == "broken"
    assert lab(complete=False).state == "half-started"


def test_two_runs_do_not_work_on_one_lab_at_once(tmp_path: Path) -> None:
    labs = Labs(tmp_path)
    with labs.locked("one"), labs.locked("two"), pytest.raises(Locked, match="since"), labs.locked("one"):
        pass
    with labs.locked("one"):
        pass


@pytest.mark.parametrize("name", ["", "Upper", "a_b", "-a", "a-", "a/b", "..", "x" * 33])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)
