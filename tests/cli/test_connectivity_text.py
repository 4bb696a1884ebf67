"""The whole text that people read after `ciliumctl connectivity test`."""

from __future__ import annotations

import io
from dataclasses import replace
from textwrap import dedent

from ciliumctl.cli.commands.connectivity.test import render
from ciliumctl.cli.output import Writer
from ciliumctl.connectivity import result as results
from ciliumctl.connectivity.result import Connectivity, Outcome, Probed, patterns


def probed(number: int = 1, *, ok: bool = False, family: int = 4) -> Probed:
    address = {4: f"203.0.113.{number}", 6: f"2001:db8:1::{number}"}[family]
    return Probed(
        name="HTTP to pod far, port 8080",
        ok=ok,
        source="client",
        source_node="one",
        target="pod far",
        target_node="two",
        address=address,
        expected="`far`",
        seen="far" if ok else "exit code 28: curl: (28) Connection timed out after 2000 milliseconds",
        paste=f"kubectl exec -n lane client -c server -- sh -c 'curl http://{address}:8080/hostname'",
    )


def ended(name: str, outcome: Outcome, *probes: Probed, **more: str | tuple[str, ...]) -> results.Tested:
    given = results.Tested(name=name, about=f"what {name} shows", category="pods", outcome=outcome, probes=probes)
    reason, evidence = more.get("reason", ""), more.get("evidence", ())
    assert isinstance(reason, str)
    assert isinstance(evidence, tuple)
    return replace(given, reason=reason, evidence=evidence)


def run(*scenarios: results.Tested) -> Connectivity:
    return Connectivity(
        context="prod",
        namespace="ciliumctl-test-1",
        nodes=("one", "two"),
        families=(4, 6),
        profile="smoke",
        scenarios=scenarios,
        seconds={"setup": 4.2, "tests": 9.6, "cleanup": 2.0},
        execs=31,
        patterns=patterns(scenarios),
    )


def text(result: Connectivity) -> str:
    stream = io.StringIO()
    there = Writer(
        stream, color=False, encoding="utf-8", address=lambda said: said.replace("ciliumctl", "ciliumctl -n x")
    )
    render(there, result)
    return stream.getvalue()


def of(expected: str) -> str:
    return dedent(expected).removeprefix("\n")


def test_a_good_run_is_its_verdict_its_counts_and_what_was_skipped() -> None:
    skipped = replace(ended("dns-x", "skipped", reason="there is only one node for it"), category="dns")
    flaky = replace(ended("b", "flaky", probed(ok=True)), attempts=2)
    result = run(ended("a", "passed", probed(ok=True)), flaky, skipped, replace(skipped, name="dns-y"))
    assert text(result) == of(
        """
        the network does what it should: 2 passed, 0 failed, 2 skipped
        one and two of prod, IPv4 and IPv6; setup 4 s, tests 10 s, cleanup 2 s; 31 execs

             TESTS   PASSED   FAILED   SKIPPED
        ✔    pods    2        0        0
        •    dns     0        0        2

        • passed at attempt 2: b
        • there is only one node for it: dns-x, dns-y
        """
    )


def test_a_failure_is_told_in_full_below_the_verdict_and_what_all_have_in_common() -> None:
    evidence = ("source: pod lane/client on one, 203.0.113.9", "could not read the policies: you may not")
    failures = [probed(number) for number in (1, 2, 3, 4, 5)]
    result = run(
        ended("pod-to-pod", "failed", *failures, probed(6, ok=True), probed(1, ok=True, family=6), evidence=evidence),
        ended("ok", "passed", probed(ok=True)),
    )
    assert text(result) == of(
        """
        1 test failed: 1 passed, 1 failed, 0 skipped
        ✗ from one to two: 5 of 7 probes failed
        ✗ IPv6 is not affected
        one and two of prod, IPv4 and IPv6; setup 4 s, tests 10 s, cleanup 2 s; 31 execs

             TESTS   PASSED   FAILED   SKIPPED
        ✗    pods    1        1        0

        ✗ pod-to-pod: what pod-to-pod shows
            HTTP to pod far, port 8080: from client on one to pod far on two (203.0.113.1)
              expected `far`, seen: exit code 28: curl: (28) Connection timed out after 2000 milliseconds
            HTTP to pod far, port 8080: from client on one to pod far on two (203.0.113.2)
              expected `far`, seen: exit code 28: curl: (28) Connection timed out after 2000 milliseconds
            HTTP to pod far, port 8080: from client on one to pod far on two (203.0.113.3)
              expected `far`, seen: exit code 28: curl: (28) Connection timed out after 2000 milliseconds
            HTTP to pod far, port 8080: from client on one to pod far on two (203.0.113.4)
              expected `far`, seen: exit code 28: curl: (28) Connection timed out after 2000 milliseconds
            and 1 more; `-o json` has them all
            try: kubectl exec -n lane client -c server -- sh -c 'curl http://203.0.113.1:8080/hostname'
            | source: pod lane/client on one, 203.0.113.9
            | could not read the policies: you may not
        """
    )


def test_evidence_that_was_told_before_is_not_told_again() -> None:
    routes = ("route on one to 203.0.113.1: via 192.0.2.2", "route on two to 203.0.113.9: unreachable")
    result = run(
        ended("a", "error", reason="pod `far` cannot be asked", evidence=routes),
        ended("b", "error", reason="pod `far` cannot be asked", evidence=(*routes, "node two: not Ready")),
        ended("c", "error", reason="pod `far` cannot be asked", evidence=routes),
    )
    _head, *failures = text(result).split("\n\n✗ ")
    assert failures == [
        (
            "a: what a shows\n    pod `far` cannot be asked\n"
            "    | route on one to 203.0.113.1: via 192.0.2.2\n    | route on two to 203.0.113.9: unreachable"
        ),
        "b: what b shows\n    pod `far` cannot be asked\n    | node two: not Ready\n    | and the same as above",
        "c: what c shows\n    pod `far` cannot be asked\n    | the same as above\n",
    ]


def test_many_failures_are_told_in_short_with_the_commands_that_tell_them_in_full() -> None:
    failing = [ended(f"test-{number}", "failed", probed(), probed(ok=True)) for number in range(1, 9)]
    result = run(*failing, ended("odd", "error", reason="the API server gave no answer"))
    said = text(result)
    assert said.startswith("9 tests failed: 0 passed, 9 failed, 0 skipped\n✗ from one to two: 8 of 16 probes failed\n")
    assert said.count("try: kubectl") == 6
    assert said.endswith(
        of(
            """

            ✗ test-7: 1 of 2 probes failed
            ✗ test-8: 1 of 2 probes failed
            ✗ odd: the API server gave no answer
                in full: `ciliumctl -n x connectivity test --test '^test-7$'`, or all of them with `-o json` or `--report json=FILE`;
                `--rerun-failed FILE` tests again what failed
            """
        )
    )


def test_when_everything_was_skipped_nothing_was_tested_and_the_reasons_are_told() -> None:
    result = replace(run(ended("a", "skipped", reason="Cilium is not installed")), families=(4,), nodes=("one",))
    assert not result.ok
    assert text(result) == of(
        """
        nothing was tested: 0 passed, 0 failed, 1 skipped
        one of prod, IPv4; setup 4 s, tests 10 s, cleanup 2 s; 31 execs

             TESTS   PASSED   FAILED   SKIPPED
        •    pods    0        0        1

        • Cilium is not installed: a
        """
    )


def test_what_is_left_is_told_last() -> None:
    result = replace(run(ended("a", "passed", probed(ok=True))), kept=True, sysdump="dump.tgz")
    assert text(result).endswith(
        of(
            """

            sysdump: dump.tgz, made before the pods were removed
            kept: namespace ciliumctl-test-1; `ciliumctl -n x connectivity cleanup` removes it
            """
        )
    )
