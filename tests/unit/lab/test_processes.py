from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ciliumctl.errors import LabFailed
from ciliumctl.lab import processes
from ciliumctl.wait import Deadline

FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def started(argv: list[str], folder: Path) -> processes.Process:
    process = processes.start("it", argv, log=folder / "it.log")
    processes.wait_for([process], lambda: "" if process.last_lines() else "silent", deadline=Deadline.after(10))
    return process


def test_a_program_is_started_found_alive_and_ended(tmp_path: Path) -> None:
    process = started(FOREVER, tmp_path)
    assert process.alive
    assert processes.stop([process]) == []
    assert not process.alive


def test_a_program_that_ignores_the_kind_signal_is_ended_too(tmp_path: Path) -> None:
    process = started(STUBBORN, tmp_path)
    assert processes.stop([process], grace=0.3) == []
    assert not process.alive


def test_another_program_with_the_same_number_is_not_touched(tmp_path: Path) -> None:
    process = started(FOREVER, tmp_path)
    other = replace(process, born="another time")
    assert not other.alive
    assert processes.stop([other]) == []
    assert process.alive
    os.kill(process.pid, signal.SIGKILL)


def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = processes.start("it", [sys.executable, "-c", "print('bad flag')"], log=tmp_path / "it.log")
    with pytest.raises(LabFailed, match="`it` ended right after its start") as caught:
        processes.wait_for([process], lambda: "not yet", deadline=Deadline.after(10))
    assert caught.value.detail == "bad flag"


def test_what_is_missing_is_told_when_the_time_is_up(tmp_path: Path) -> None:
    process = started(FOREVER, tmp_path)
    with pytest.raises(LabFailed, match="did not come up in time: no answer"):
        processes.wait_for([process], lambda: "no answer", deadline=Deadline.after(0.2))
    processes.stop([process])


def test_a_program_that_does_not_exist_is_told() -> None:
    with pytest.raises(LabFailed, match="cannot be started"):
        processes.start("it", ["/no/such/program"], log=Path(os.devnull))


def test_free_ports_differ() -> None:
    ports = processes.free_ports(5)
    assert len(set(ports)) == 5
