"""The script that asks an agent, by a real shell, and what its answers become."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.connectivity.asking import FLOWS, Asked, answers, commands, read, script

ASKED = Asked(
    node="one", agent="cilium-a", addresses=("203.0.113.4", "2001:db8:1::4"), pods=("lane/client",), seconds=7
)
OBSERVE = ["hubble", "observe", "--since", "7s", "--last", "8", "-o", "compact", "--pod", "lane/client"]


def ran(folder: Path, *lines: list[str], **programs: str) -> list[tuple[int, list[str]] | None]:
    """The script's answers, with stand-ins for programs before all others on PATH."""
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(script(lines), capture_output=True, text=True, check=True, env=environ)
    return answers(done.stdout, len(lines))


def test_routes_rules_and_flows_are_asked_for_and_only_addresses_are_arguments() -> None:
    assert commands(ASKED) == [
        ["ip", "-4", "-o", "route", "get", "203.0.113.4"],
        ["ip", "-6", "-o", "route", "get", "2001:db8:1::4"],
        ["ip", "-4", "rule"],
        ["ip", "-6", "rule"],
        [*OBSERVE, "--verdict", "DROPPED"],
        OBSERVE,
    ]
    odd = Asked(node="one", agent="a", addresses=("kubernetes.default.svc", "-h", "$(reboot)", "203.0.113.4"))
    assert commands(odd) == [["ip", "-4", "-o", "route", "get", "203.0.113.4"], ["ip", "-4", "rule"]]
    assert commands(Asked(node="one", agent="a", addresses=())) == []


def test_exit_codes_and_both_outputs_come_back_by_number(tmp_path: Path) -> None:
    found = ran(tmp_path, ["echo", "a b", "$HOME"], ["sh", "-c", "echo no >&2; exit 3"], ["no-such-program"])
    assert found[0] == (0, ["a b $HOME"])
    assert found[1] == (3, ["no"])
    assert found[2] is not None
    assert found[2][0] == 127


def test_one_that_hangs_or_talks_much_does_not_keep_the_others(tmp_path: Path) -> None:
    found = ran(tmp_path, ["sleep", "30"], ["echo", "x" * 1000], ["echo", "here"])
    assert found == [(124, []), (0, ["x" * 240]), (0, ["here"])]


def told(folder: Path, **programs: str) -> tuple[list[str], list[tuple[bool, str]], list[str]]:
    lines = commands(ASKED)
    said = read(ASKED, lines, ran(folder, *lines, **programs))
    return said.paths, said.flows, said.failed


def test_routes_and_rules_of_this_very_machine_are_read(tmp_path: Path) -> None:
    rules = "1:\tfrom all fwmark 0x200/0xf00 lookup 2004"
    ip = f"case $* in *rule) printf '0:\\tfrom all lookup local\\n%s\\n32766:\\tfrom all lookup main\\n' '{rules}';; "
    ip += "-4*) printf '203.0.113.4 via 192.0.2.2 dev eth0 src 192.0.2.1 uid 0 \\\\    cache \\n';; "
    ip += "*) echo 'RTNETLINK answers: Network is unreachable' >&2; exit 2;; esac"
    paths, flows, failed = told(tmp_path, ip=ip, hubble="exit 0")
    assert paths == [
        "route on one to 203.0.113.4: via 192.0.2.2 dev eth0 src 192.0.2.1 uid 0 cache",
        "route on one to 2001:db8:1::4: RTNETLINK answers: Network is unreachable",
        "rule on one: IPv4 1: from all fwmark 0x200/0xf00 lookup 2004",
        "rule on one: IPv6 1: from all fwmark 0x200/0xf00 lookup 2004",
    ]
    assert (flows, failed) == ([], [])


def test_flows_are_told_once_and_dropped_ones_are_known(tmp_path: Path) -> None:
    hubble = (
        "echo 'EVENTS LOST: DROPPED'; echo 'Nov 26: lane/client -> lane/far Policy denied DROPPED (TCP Flags: SYN)'; "
    )
    hubble += "case $* in *DROPPED) ;; *) echo 'Nov 26: lane/client -> lane/far to-endpoint FORWARDED';; esac"
    _paths, flows, failed = told(tmp_path, ip="exit 0", hubble=hubble)
    assert flows == [
        (False, "Hubble on one says: EVENTS LOST: DROPPED"),
        (True, "flow seen on one: Nov 26: lane/client -> lane/far Policy denied DROPPED (TCP Flags: SYN)"),
        (False, "flow seen on one: Nov 26: lane/client -> lane/far to-endpoint FORWARDED"),
    ]
    assert failed == []
    assert FLOWS == 8


def test_a_hubble_that_does_not_answer_is_said_once(tmp_path: Path) -> None:
    words = "failed to connect to unix:///var/run/cilium/hubble.sock"
    assert told(tmp_path, ip="exit 0", hubble=f"echo '{words}' >&2; exit 1")[2] == [
        f"could not ask Hubble on one: {words}"
    ]
    assert told(tmp_path, ip="exit 0", hubble="exec sleep 9")[2] == ["could not ask Hubble on one: no answer in time"]


def test_an_image_without_the_programs_is_said_once_for_each() -> None:
    lines = commands(ASKED)
    said = read(ASKED, lines, [(127, ["sh: not found"])] * len(lines))
    assert (said.paths, said.flows) == ([], [])
    assert said.failed == [
        "could not ask `ip` on one: the agent's image has no such program",
        "could not ask Hubble on one: the agent's image has no such program",
    ]


def test_an_exec_that_was_cut_leaves_what_came_before() -> None:
    lines = commands(ASKED)
    said = read(ASKED, lines, answers("@@0 0\n203.0.113.4 dev lxc1 src 192.0.2.1\n", len(lines)))
    assert said.paths == ["route on one to 203.0.113.4: dev lxc1 src 192.0.2.1"]
    assert len(said.failed) == 2


@given(st.text())
def test_no_output_whatever_breaks_the_reading(text: str) -> None:
    lines = commands(ASKED)
    assert read(ASKED, lines, answers(text, len(lines))).failed
