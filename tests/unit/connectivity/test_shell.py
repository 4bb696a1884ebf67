"""The script that runs many probes in one exec, by a real shell."""

from __future__ import annotations

import subprocess
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.connectivity.model import ANSWERED, DENIED, REFUSED, Expect, Probe, Target, says
from ciliumctl.connectivity.shell import ENDED, Answer, answers, longest, script


def probe(command: str, seconds: int = 5) -> Probe:
    return Probe(name=command, source="client", target=Target(name="nowhere"), command=command, seconds=seconds)


def ran(*probes: Probe) -> list[Answer | None]:
    done = subprocess.run(script(probes), capture_output=True, text=True, check=True)
    return answers(done.stdout, len(probes))


def test_each_probe_s_exit_code_and_words_come_back_under_its_number() -> None:
    found = ran(probe("echo one"), probe("echo two >&2; exit 7"), probe("true"), probe("printf 'a\\nb\\n'"))
    assert found == [Answer(0, "one"), Answer(7, "two"), Answer(0, ""), Answer(0, "a\nb")]


def test_probes_run_at_the_same_time_and_end_when_their_time_is_up() -> None:
    found = ran(*[probe("exec sleep 30", seconds=1) for _ in range(5)])
    assert [answer.code for answer in found if answer] == [ENDED] * 5


def test_only_the_end_of_many_words_is_kept_and_quotes_and_percent_signs_are_harmless() -> None:
    odd = 'it\'s %s "quoted" $HOME \\n'
    long, quoted = ran(probe("seq 100000"), probe(f"printf '%s' {subprocess.list2cmdline([])}'a %d b'"))
    assert long is not None
    assert long.said.endswith("99999\n100000")
    assert len(long.said) <= 2000
    assert quoted == Answer(0, "a %d b")
    (said,) = ran(probe("cat <<'END'\n" + odd + "\nEND"))
    assert said == Answer(0, odd)


def test_what_never_answered_is_none() -> None:
    assert answers("@0 0 fine\n", 3) == [Answer(0, "fine"), None, None]
    assert answers("", 1) == [None]


@given(st.text())
def test_no_output_whatever_breaks_the_reading(text: str) -> None:
    assert len(answers(text, 4)) == 4


def test_the_slowest_probe_is_waited_for() -> None:
    assert longest([probe("a", 3), probe("b", 9)]) == 9
    assert longest([]) == 0


def test_expectations_hold_the_exit_code_and_the_whole_output() -> None:
    cases: list[tuple[Expect, int, str, Any]] = [
        (ANSWERED, 0, "anything", True),
        (ANSWERED, 28, "", False),
        (DENIED, 28, "", True),
        (DENIED, 7, "", True),
        (DENIED, 0, "got through", False),
        (REFUSED, 7, "* connect to ::1 port 9 failed: Connection refused\ncurl: (7) Failed to connect", True),
        (REFUSED, 7, "* Immediate connect fail for ::1: No route to host\ncurl: (7) Failed to connect", False),
        (REFUSED, 7, "", False),
        (REFUSED, 28, "", False),
        (says("near|far"), 0, "near\n", True),
        (says("near|far"), 0, "nearby", False),
        (says("near"), 1, "near", False),
    ]
    for expect, code, said, met in cases:
        assert expect.met(code, said) is met, (expect, code, said)
