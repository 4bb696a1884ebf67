"""Run one scenario on one bed: its objects made, its probes asked, its policies seen in force, all gone again."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from shlex import quote

from ciliumctl.clients.kube import Kube, dig, name_of
from ciliumctl.connectivity import shell
from ciliumctl.connectivity.model import ANSWERED, Applied, Bed, Probe, Scenario
from ciliumctl.connectivity.result import Probed, Tested
from ciliumctl.connectivity.shell import ENDED, Answer
from ciliumctl.errors import CiliumctlError
from ciliumctl.parallel import gather_all
from ciliumctl.wait import overtime, poll

#: Seconds in which a change of policies, or of endpoints, must have reached every node.
SETTLE = 15.0
#: Seconds after which a scenario's changes come: its connections stand by then.
BEFORE_CHANGE = 2.0
_TIDY = 20.0
_MOST_SEEN = 200
# `* connect to ::1 port 9 failed: Connection refused`, `* Immediate connect fail for ::1: No route to host`
_CAUSE = re.compile(r"\* +(?:connect to .* failed|Immediate connect fail for .*): ([^:]+)$")


class Engine:
    """Runs scenarios on beds of one cluster, from several threads; counts the execs."""

    def __init__(self, kube: Kube, *, context: str = "") -> None:
        self.kube = kube
        self._context = context
        self._counter = itertools.count(1)
        self.execs = 0
        #: Set when the run was interrupted: its threads go on for a moment, and must neither test nor speak.
        self.stopped = threading.Event()

    def test(self, scenario: Scenario, bed: Bed) -> Tested:
        """Run it. What goes wrong in the cluster becomes an `error` outcome: the other scenarios go on."""
        started = time.monotonic()
        try:
            probes = list(scenario.probes(bed))
            if not probes:
                return _skipped(scenario, "nothing here to probe")
            probed, reason = self._judged(scenario, bed, probes)
        except CiliumctlError as error:
            return Tested(
                name=scenario.name,
                about=scenario.about,
                category=scenario.category,
                outcome="error",
                seconds=time.monotonic() - started,
                reason=error.message,
            )
        good = not reason and all(probe.ok for probe in probed)
        return Tested(
            name=scenario.name,
            about=scenario.about,
            category=scenario.category,
            outcome="passed" if good else "failed",
            seconds=time.monotonic() - started,
            reason=reason,
            probes=tuple(probed),
        )

    def _judged(self, scenario: Scenario, bed: Bed, probes: Sequence[Probe]) -> tuple[list[Probed], str]:
        with self._applied(scenario.objects(bed)):
            if scenario.policies is None:
                return self._unhindered(scenario, bed, probes), ""
            plain = self._until(bed, [_plain(probe) for probe in probes])
            if not all(probe.ok for probe in plain):
                return (
                    [replace(probe, phase="without the policy") for probe in plain],
                    "it fails without the policy already, so it says nothing about the policy",
                )
            with self._applied(scenario.policies(bed)):
                found = self._until(bed, probes)
        denied = [probe for probe, asked in zip(found, probes, strict=True) if asked.expect.denied]
        reason = ""
        if denied and not any(probe.ok for probe in denied):
            reason = f"the policy was not enforced within {SETTLE:.0f} s: everything still gets through"
        return [replace(probe, phase="under the policy") for probe in found], reason

    def _unhindered(self, scenario: Scenario, bed: Bed, probes: Sequence[Probe]) -> list[Probed]:
        """Ask once; patiently where the scenario brought objects that must first reach every node."""
        changes = scenario.changes(bed)
        if changes:
            return self._meanwhile(bed, probes, changes)
        return self._until(bed, probes) if scenario.objects(bed) else self.ask(bed, probes)

    def _meanwhile(self, bed: Bed, probes: Sequence[Probe], changes: Sequence[Applied]) -> list[Probed]:
        """Ask, and change something while the probes run; `stopped` ends the wait at once."""

        def change() -> list[Probed]:
            if not self.stopped.wait(BEFORE_CHANGE):
                for one in changes:
                    self.kube.apply(one.resource, one.manifest, _place(one), force=True)
            return []

        with self._applied([], changes):
            asked, _nothing = gather_all([lambda: self.ask(bed, probes), change])
        return asked

    def _until(self, bed: Bed, probes: Sequence[Probe]) -> list[Probed]:
        """Ask until everything is as expected: a change is observed, not slept for. The last answers otherwise."""
        return poll(
            lambda: self.ask(bed, probes),
            lambda found: all(probe.ok for probe in found),
            deadline=self.kube.deadline.within(SETTLE),
            interval=0.3,
        )

    @contextmanager
    def _applied(self, objects: Sequence[Applied], later: Sequence[Applied] = ()) -> Iterator[None]:
        """Objects that are there for the block, and surely gone after it; those that come `later`, too."""
        made: list[Applied] = [*later]
        try:
            for one in objects:
                made.append(one)
                self.kube.apply(one.resource, one.manifest, _place(one), force=True)
            yield
        finally:
            with overtime(self.kube, seconds=_TIDY):
                # One that stays would be in the way of the scenarios that come: told at once, not found out later.
                gather_all(
                    [partial(self.kube.delete, one.resource, name_of(one.manifest), _place(one)) for one in made]
                )

    def ask(self, bed: Bed, probes: Sequence[Probe]) -> list[Probed]:
        """Run probes, all pods at the same time, several probes in one exec."""
        batches: list[list[int]] = []
        for _source, numbers in itertools.groupby(
            sorted(range(len(probes)), key=lambda n: probes[n].source), key=lambda n: probes[n].source
        ):
            batches += _batched(list(numbers))
        answered = gather_all([partial(self._exec, bed, [probes[n] for n in batch]) for batch in batches])
        by_number = {
            number: answer
            for batch, answers in zip(batches, answered, strict=True)
            for number, answer in zip(batch, answers, strict=True)
        }
        return [self._probed(bed, probe, by_number[number]) for number, probe in enumerate(probes)]

    def _exec(self, bed: Bed, probes: Sequence[Probe]) -> list[Answer | None]:
        pod = bed.pod(probes[0].source)
        self.execs = next(self._counter)
        try:
            done = self.kube.exec(
                pod.namespace,
                pod.name,
                shell.script(probes),
                container=pod.container,
                timeout=shell.longest(probes) + 20,
            )
        except CiliumctlError as error:
            error.message = f"pod `{pod.name}` on {pod.node} cannot be asked: {error.message}"
            raise
        return shell.answers(done.stdout.decode("utf-8", "replace"), len(probes))

    def _probed(self, bed: Bed, probe: Probe, answer: Answer | None) -> Probed:
        pod = bed.pod(probe.source)
        context = f" --context {self._context}" if self._context else ""
        quoted = quote(probe.command)
        met = answer is not None and probe.expect.met(answer.code, answer.said)
        return Probed(
            name=probe.name,
            ok=met,
            source=pod.role,
            source_node=pod.node,
            target=probe.target.name,
            target_node=probe.target.node,
            address=probe.target.address,
            expected=probe.expect.words,
            seen=_seen(answer, met=met),
            paste=f"kubectl{context} exec -n {pod.namespace} {pod.name} -c {pod.container} -- sh -c {quoted}",
            denied=probe.expect.denied,
            anywhere=probe.target.anywhere,
        )


def _batched(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + shell.BATCH] for start in range(0, len(numbers), shell.BATCH)]


def _place(one: Applied) -> str:
    place: str = dig(one.manifest, "metadata", "namespace", default="")
    return place


def _plain(probe: Probe) -> Probe:
    return probe.expecting(ANSWERED) if probe.expect.denied else probe


def _seen(answer: Answer | None, *, met: bool) -> str:
    """What a probe said, in a few words: its last line, or what its program says went wrong."""
    if answer is None:
        return "the command did not run to its end"
    lines = answer.said.strip().splitlines() or [""]
    # A pipe's end may be well though its beginning failed, so the exit code alone does not tell.
    wrong = _errors(lines) if answer.code or not met else []
    last = (wrong or lines)[-1][:_MOST_SEEN]
    if answer.code == ENDED:
        return f"no end in time {last}".strip()
    if answer.code:
        return f"exit code {answer.code}: {last}" if last else f"exit code {answer.code}"
    return last or "nothing"


def _errors(lines: Sequence[str]) -> list[str]:
    """What curl (with the cause that only `-v` tells) and dig say of their failures, which need not be said last."""
    causes = [found[1] for line in lines if (found := _CAUSE.match(line))]
    cause = f" ({causes[-1]})" if causes else ""
    return [line + cause * line.startswith("curl:") for line in lines if line.startswith(("curl:", ";;"))]


def _skipped(scenario: Scenario, reason: str) -> Tested:
    return Tested(
        name=scenario.name, about=scenario.about, category=scenario.category, outcome="skipped", reason=reason
    )
