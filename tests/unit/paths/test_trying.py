"""The probe's script is run by a real shell, against real sockets of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.paths.trying import Goal, Probe, names, outcome, tries

NEEDED = ("sh", "timeout")


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def answering() -> Iterator[int]:
    """A UDP port that answers everything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    data, address = server.recvfrom(512)
                except OSError:
                    return
                server.sendto(data, address)

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])


def run(probe: Probe, path: str) -> str:
    done = subprocess.run(probe.command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else f"ended with {done.returncode}"


def only(tmp_path: Path, *programs: str) -> str:
    """A PATH with these programs; skipped where this machine lacks one."""
    for name in (*NEEDED, *programs):
        # What is found as `python3` may be a script that looks for the real one.
        found = sys.executable if name == "python3" else shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} on this machine: install it")
        (tmp_path / name).symlink_to(os.path.realpath(found))
    return str(tmp_path)


@pytest.mark.parametrize("tool", ["bash", "python3"])
def test_an_open_port_and_a_closed_one_are_told_apart(tmp_path: Path, tool: str, listener: int, closed: int) -> None:
    goals = (
        Goal(about="good", address="127.0.0.1", port=listener),
        Goal(about="bad", address="127.0.0.1", port=closed),
    )
    probe = Probe(goals=goals)
    text = run(probe, only(tmp_path, tool))
    assert f"@tool {'bash_tcp' if tool == 'bash' else 'python'}" in text
    assert [(one.about, one.outcome) for one in tries(text, probe)] == [("good", "open"), ("bad", "refused")]


@pytest.mark.parametrize("tool", ["bash", "python3"])
def test_udp_that_answers_refuses_or_is_silent(tmp_path: Path, tool: str, answering: int, closed: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        goals = tuple(
            Goal(about=name, address="127.0.0.1", port=port)
            for name, port in (("echo", answering), ("closed", closed), ("mute", int(mute.getsockname()[1])))
        )
        probe = Probe(goals=goals, protocol="UDP")
        text = run(probe, only(tmp_path, tool))
    assert {one.about: one.outcome for one in tries(text, probe)} == {
        "echo": "open",
        "closed": "refused",
        "mute": "silent",
    }


def test_a_container_without_a_tool_says_so(tmp_path: Path) -> None:
    probe = Probe(goals=(Goal(about="x", address="127.0.0.1", port=9),))
    assert run(probe, only(tmp_path)) == "ended with 69"


def test_what_is_asked_for_is_never_part_of_the_script(tmp_path: Path, closed: int) -> None:
    evil = f"127.0.0.1$(touch {tmp_path}/made)"
    probe = Probe(goals=(Goal(about="x", address=evil, port=closed),), name=evil)
    text = run(probe, only(tmp_path, "bash", "getent"))
    assert not (tmp_path / "made").exists()
    assert [one.outcome for one in tries(text, probe)] != ["open"]


def test_a_name_is_looked_up_where_the_container_can(tmp_path: Path, listener: int) -> None:
    probe = Probe(goals=(Goal(about="x", address="localhost", port=listener),), name="localhost")
    text = run(probe, only(tmp_path, "bash", "getent"))
    assert set(names(text) or ()) & {"127.0.0.1", "::1"}
    assert [one.outcome for one in tries(text, probe)] == ["open"]
    probe = Probe(goals=(Goal(about="x", address="no-such-name.invalid", port=1),), name="no-such-name.invalid")
    text = run(probe, str(tmp_path))
    assert names(text) == ()
    assert [one.outcome for one in tries(text, probe)] == ["no name"]


def test_nslookup_tells_of_its_server_first() -> None:
    said = "@name 1\nServer:\t198.18.0.10\nAddress:\t198.18.0.10:53\n\nName:\tdb.shop.svc\nAddress: 192.0.2.7\n\n@tool netcat\n"
    assert names(said) == ("192.0.2.7",)
    assert names("@tool bash_tcp\n") is None


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (0, "", "open"),
        (124, "", "timeout"),
        (143, "", "timeout"),
        (1, "nc: 192.0.2.1 (192.0.2.1:80): Connection timed out", "timeout"),
        (1, "bash: connect: No route to host", "unreachable"),
        (1, "bash: connect: Operation not permitted", "unreachable"),
        (1, "nc: bad address 'db'", "no name"),
        (28, "", "silent"),
        (1, "something else", "failed"),
    ],
)
def test_outcomes_are_read_from_codes_and_words(code: int, words: str, expected: str) -> None:
    assert outcome(code, words) == expected


def test_a_goal_of_which_nothing_came_got_no_answer() -> None:
    probe = Probe(goals=(Goal(about="x", address="192.0.2.1", port=80),))
    assert [one.outcome for one in tries("@tool bash_tcp\n", probe)] == ["timeout"]
