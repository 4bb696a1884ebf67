from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.preflight import external
from ciliumctl.wait import Deadline

GOOD = {
    "id": "ACME-1",
    "title": "the firewall lets VXLAN through",
    "outcome": "warning",
    "message": "one rule is missing",
    "evidence": ["asked the firewall"],
    "findings": ["rule 7 is missing", {"text": "rule 8", "severity": "error", "object": "Node/one"}],
    "hint": "ask the network team",
}


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"ciliumctl-check-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def printing(value: Any) -> str:
    return f"cat <<'END'\n{json.dumps(value)}\nEND"


def ran(folder: Path, seconds: float = 20.0, **environ: str) -> list[external.Said]:
    environment = {"PATH": f"{folder}:/usr/bin:/bin", **environ}
    with external.Running() as running:
        return list(external.run(external.programs(environment), environment, Deadline.after(seconds), running))


def gone(pid: Path) -> bool:
    """Whether a program's child has ended, or ends within some seconds."""
    stat = Path(f"/proc/{int(pid.read_text())}/stat")
    for _try in range(100):
        try:
            if " Z " in stat.read_text():
                # Killed, and nobody waits for it.
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_what_a_program_prints_is_its_result(tmp_path: Path) -> None:
    path = program(tmp_path, "acme", printing([GOOD]))
    (said,) = ran(tmp_path)
    assert (said.id, said.category, said.source) == ("ACME-1", "acme", str(path))
    assert said.verdict.outcome == "warning"
    assert [finding.severity for finding in said.verdict.findings] == ["warning", "error"]
    assert said.verdict.hint == "ask the network team"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no", "no JSON"),
        ("printf '%0200000d' 0 | tr 0 '['", "nested too deeply"),
        ("echo '{}'", "a list of results"),
        ("echo '[1]'", "result 1 is not an object"),
        ("""echo '[{"id": "A"}]'""", "has no `title`"),
        ("""echo '[{"id": "A", "title": "t", "outcome": "fine"}]'""", "`fine`"),
        ("""echo '[{"id": "CIL-API-001", "title": "t", "outcome": "passed"}]'""", "ciliumctl's own"),
        ("""echo '[{"id": "A", "title": "t", "outcome": "failed", "findings": {}}]'""", "no list"),
        ("""echo '[{"id": "A", "title": "t", "outcome": "failed", "findings": [{}]}]'""", "no `text`"),
        ("echo '[]'; echo broken >&2; exit 3", "ended with 3: broken"),
        ("exit 1", "nothing on standard error"),
    ],
)
def test_what_keeps_not_to_the_form_is_a_failed_check_of_the_programs_name(
    tmp_path: Path, script: str, words: str
) -> None:
    program(tmp_path, "bad", script)
    (said,) = ran(tmp_path)
    assert (said.id, said.verdict.outcome) == ("ciliumctl-check-bad", "failed")
    assert words in said.verdict.message


def test_one_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    program(tmp_path, "slow", "exec sleep 600")
    program(tmp_path, "fast", printing([GOOD]))
    results = ran(tmp_path, seconds=0.5)
    assert {said.id: said.verdict.outcome for said in results}["ciliumctl-check-slow"] == "failed"
    assert "did not end" in next(said for said in results if said.id == "ciliumctl-check-slow").verdict.message


def test_what_it_started_does_not_outlive_it(tmp_path: Path) -> None:
    program(tmp_path, "slow", f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    (said,) = ran(tmp_path, seconds=1)
    assert "did not end" in said.verdict.message
    assert gone(tmp_path / "pid")


def test_an_interrupt_ends_what_runs(tmp_path: Path) -> None:
    program(tmp_path, "slow", f"sleep 600 & echo $! > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/pid; wait")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    running = external.Running()
    call = (external.programs(environment), environment, Deadline.after(60), running)
    thread = threading.Thread(target=external.run, args=call, daemon=True)

    def interrupted() -> None:
        with running:
            thread.start()
            while not (tmp_path / "pid").exists():
                time.sleep(0.02)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(tmp_path / "pid")
    thread.join(5)
    assert not thread.is_alive()


def test_one_that_cannot_be_started_is_told_of(tmp_path: Path) -> None:
    path = program(tmp_path, "odd", "")
    path.write_text("#!/no/such/interpreter\n")
    (said,) = ran(tmp_path)
    assert said.verdict.outcome == "failed"


def test_of_two_with_one_name_the_first_on_the_path_runs(tmp_path: Path) -> None:
    first = program(tmp_path / "a", "x", printing([]))
    program(tmp_path / "b", "x", printing([]))
    (tmp_path / "b" / "ciliumctl-check-not-executable").write_text("")
    found = external.programs({"PATH": f"{tmp_path}/a:{tmp_path}/none:{tmp_path}/b"})
    assert [(one.name, one.path) for one in found] == [("x", first)]


def test_it_gets_the_environment_and_no_input(tmp_path: Path) -> None:
    program(
        tmp_path,
        "env",
        'read line && exit 9; printf \'[{"id": "E", "title": "t", "outcome": "passed", "message": "%s"}]\' "$WHERE"',
    )
    (said,) = ran(tmp_path, WHERE="here")
    assert said.verdict.message == "here"
