from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ciliumctl import machine

linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="a process is only marked where /proc is")


@linux
def test_this_process_is_not_gone() -> None:
    assert machine.here()
    assert not machine.gone(machine.here())


@linux
def test_a_process_that_has_ended_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        mark = _mark_of(running.pid)
        assert not machine.gone(mark)
        running.kill()
    assert machine.gone(mark)


@linux
def test_another_process_that_got_the_same_number_does_not_count() -> None:
    boot, namespace, pid, born = machine.here().split("/")
    assert machine.gone(f"{boot}/{namespace}/{pid}/{int(born) - 1}")


@linux
def test_what_a_dead_process_left_running_keeps_it_from_being_gone() -> None:
    boot, namespace, _pid, _born = machine.here().split("/")
    mark = f"{boot}/{namespace}/{os.getpid()}/1"
    assert machine.gone(mark)
    env = {**os.environ, machine.VARIABLE: mark}
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert machine.left_behind(mark) == [child.pid]
        assert not machine.gone(mark)
        child.kill()
    assert machine.gone(mark)


@pytest.mark.parametrize("mark", ["", "nonsense", "other-boot/pid:[1]/1/1", "a/b/c/d", "///"])
def test_of_another_machine_or_of_nothing_nobody_can_say_that_it_is_gone(mark: str) -> None:
    assert not machine.gone(mark)


def test_where_the_system_tells_nothing_there_is_no_mark(tmp_path: Path) -> None:
    assert machine.here(tmp_path) == ""
    assert not machine.gone(machine.here() or "a/b/1/2", tmp_path)


def _mark_of(pid: int) -> str:
    boot, namespace, _pid, _born = machine.here().split("/")
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return f"{boot}/{namespace}/{pid}/{fields[19]}"
