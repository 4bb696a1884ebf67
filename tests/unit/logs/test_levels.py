"""What lines of Cilium's parts say about themselves, in each of their formats."""

from __future__ import annotations

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.logs import Sieve, pattern
from ciliumctl.logs.levels import read


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        (
            'level=info msg="Memory available for map entries (0.003%)" subsys=config',
            "info",
            "Memory available for map entries (0.003%)",
        ),
        ('time="2024-08-30T08:12:43Z" level=warning msg="it said \\"no\\"" subsys=daemon', "warning", 'it said "no"'),
        ("time=2024-11-28T15:29:27Z level=warn source=/go/hive.go:1 msg=Starting module=agent", "warning", "Starting"),
        ("level=ERROR msg=late error=x", "error", "late"),
        ("level=info subsys=hive", "info", "level=info subsys=hive"),
        ('{"level":"info","msg":"  --agent-health-port=9879","subsys":"daemon"}', "info", "  --agent-health-port=9879"),
        ('{"time":"2025-01-01T00:00:00Z","level":"WARN","msg":"slow","module":"agent"}', "warning", "slow"),
        ('{"level":"dpanic","ts":1,"msg":"from etcd"}', "fatal", "from etcd"),
        ('{"level":"info"', "", '{"level":"info"'),
        ("[1, 2]", "", "[1, 2]"),
        ("[2026-01-02 03:04:05.678][7][warning][config] [external/envoy/x.cc:12] gRPC down", "warning", "gRPC down"),
        ("[2026-01-02 03:04:05.678][7][critical][main] [assert]", "fatal", "[assert]"),
        ("W0102 15:04:05.000000       1 reflector.go:561] failed to list", "warning", "failed to list"),
        ("2026/01/02 15:04:05 [notice] 1#1: start worker process", "info", "1#1: start worker process"),
        ("panic: runtime error: index out of range", "fatal", "panic: runtime error: index out of range"),
        ("fatal error: all goroutines are asleep", "fatal", "fatal error: all goroutines are asleep"),
        ("goroutine 1 [running]:", "", "goroutine 1 [running]:"),
        ("sublevel=info", "", "sublevel=info"),
    ],
)
def test_level_and_message_are_read(line: str, level: str, message: str) -> None:
    said = read(line)
    assert (said.level, said.message) == (level, message)


def test_a_level_stands_for_itself_and_what_is_worse() -> None:
    sieve = Sieve(level="warning")
    lines = ["level=info msg=a", "level=warning msg=b", "level=fatal msg=c", "level=debug msg=d"]
    assert [line for line in lines if sieve.keep(line) is not None] == lines[1:3]


def test_a_line_without_a_level_has_that_of_the_line_before_it() -> None:
    sieve = Sieve(level="error")
    lines = ["before", "panic: no", "goroutine 1 [running]:", "level=info msg=x", "more of it"]
    assert [line for line in lines if sieve.keep(line) is not None] == lines[1:3]
    assert sieve.again().keep("goroutine 1 [running]:") is None, "another log begins anew"


def test_a_pattern_and_a_level_must_both_hold() -> None:
    sieve = Sieve(grep=pattern("end.*9"), level="info")
    lines = ["level=info msg=endpoint id=9", "level=info msg=endpoint id=8", "level=debug msg=endpoint id=9"]
    assert [line for line in lines if sieve.keep(line) is not None] == lines[:1]


def test_what_is_no_pattern_is_refused() -> None:
    assert pattern("") is None
    with pytest.raises(UsageError, match="no regular expression"):
        pattern("a(")
