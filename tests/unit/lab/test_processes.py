from __future__ import annotations

import os
import signal
import sys
import threading
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


def ignored(_process: processes.Process) -> None:
    """Nobody needs to know of it."""


def started(argv: list[str], folder: Path) -> processes.Process:
    process = processes.start("it", argv, log=folder / "it.log", started=ignored)
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
    process = processes.start(
        "it", [sys.executable, "-c", "print('bad flag')"], log=tmp_path / "it.log", started=ignored
    )
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
        processes.start("it", ["/no/such/program"], log=Path(os.devnull), started=ignored)


def test_free_ports_differ() -> None:
    ports = processes.free_ports(5)
    assert len(set(ports)) == 5


def test_a_signal_waits_until_somebody_knows_of_the_new_program(tmp_path: Path) -> None:
    known: list[processes.Process] = []

    def disturbed(process: processes.Process) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        known.append(process)

    with pytest.raises(KeyboardInterrupt):
        processes.start("it", FOREVER, log=tmp_path / "it.log", started=disturbed)
    assert len(known) == 1
    processes.stop(known)


def test_off_the_main_thread_programs_are_started_all_the_same(tmp_path: Path) -> None:
    known: list[processes.Process] = []
    starting = threading.Thread(
        target=lambda: processes.start("it", FOREVER, log=tmp_path / "it.log", started=known.append)
    )
    starting.start()
    starting.join()
    assert known[0].alive
    processes.stop(known)
