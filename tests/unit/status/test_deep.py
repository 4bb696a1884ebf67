from __future__ import annotations

import subprocess
from pathlib import Path

from ciliumctl.agents import AGENT_PROGRAM
from ciliumctl.status import deep


def test_an_agent_that_is_well_says_nothing() -> None:
    answer = {
        "cilium": {"state": "Ok", "msg": "1.15.6"},
        "kubernetes": {"state": "Ok"},
        "kvstore": {"state": "Disabled"},
        "controllers": [{"name": "a", "status": {"success-count": 3}}],
    }
    assert deep.read(answer) == ()


def test_parts_that_are_not_well_and_failing_controllers_are_told() -> None:
    answer = {
        "kubernetes": {"state": "Failure", "msg": "no route to host"},
        "hubble": {"state": "Warning"},
        "controllers": [{"name": "ipcache", "status": {"consecutive-failure-count": 2, "last-failure-msg": "no"}}],
    }
    assert deep.read(answer) == (
        "Kubernetes API: Failure, no route to host",
        "Hubble: Warning",
        "controller `ipcache` failed 2 times in a row: no",
    )


def test_an_answer_without_any_part_is_no_failure() -> None:
    assert deep.read({}) == ()


def test_an_agent_before_1_15_is_asked_with_the_program_that_it_has(tmp_path: Path) -> None:
    old = tmp_path / "cilium"
    old.write_text('#!/bin/sh\necho "old $*"\n')
    old.chmod(0o755)
    line = f"{AGENT_PROGRAM}; exec $c status -o json"
    ran = subprocess.run(["/bin/sh", "-c", line], env={"PATH": str(tmp_path)}, capture_output=True, check=True)
    assert ran.stdout == b"old status -o json\n"
