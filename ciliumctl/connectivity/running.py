"""A whole run: which scenarios, on how many lanes, what is told meanwhile, what is left afterwards."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity import deploy, evidence, looking, scenarios, session
from ciliumctl.connectivity.bed import Settings
from ciliumctl.connectivity.engine import Engine
from ciliumctl.connectivity.model import Bed, Scenario, World
from ciliumctl.connectivity.result import Connectivity, Outcome, Tested, patterns
from ciliumctl.errors import CiliumctlError, TimedOut, UsageError
from ciliumctl.parallel import gather
from ciliumctl.report import Outcome as Ended
from ciliumctl.report import Reporter, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to test, and how."""

    owner: str
    namespace: str
    settings: Settings = field(default_factory=Settings)
    profile: str = "smoke"
    tests: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    lanes: int = 0
    retries: int = 0
    keep: bool = False


def select(wanted: Wanted) -> list[Scenario]:
    """The scenarios that are asked for. A name that is asked for counts whatever the profile.

    Raises:
        UsageError: an expression is none, or matches nothing.
    """
    known = scenarios.all_of_them()
    found = [one for one in known if wanted.profile == "full" or one.smoke]
    if wanted.tests:
        found = [one for one in known if any(_matches(pattern, one.name) for pattern in wanted.tests)]
    if wanted.only:
        found = [one for one in known if one.name in wanted.only]
    found = [one for one in found if not any(_matches(pattern, one.name) for pattern in wanted.skips)]
    if not found:
        raise UsageError("no test has such a name", hint="`ciliumctl connectivity list` shows them")
    return found


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise UsageError(
            f"`{pattern}` is no regular expression: {error}", hint="escape what is meant literally"
        ) from error


#: Called with what failed (nothing: the set-up did) and the nodes that take part, while the bed is still there.
OnFailure = Callable[[Sequence[Tested], Sequence[str]], None]


def run(
    kube: Kube, wanted: Wanted, report: Reporter, on_failure: OnFailure = lambda _bad, _nodes: None
) -> Connectivity:
    """Make the bed, test, clean up: always, whatever ends it. `on_failure` comes before the cleaning.

    Raises:
        UsageError, Refused, Forbidden, TimedOut: the test could not begin.
    """
    wanted.settings.check()
    chosen = select(wanted)
    began = time.monotonic()
    with report.step("Looking at the cluster") as step:
        world = looking.look(kube, wanted.settings, wanted.namespace)
        able = [one for one in chosen if not one.skipped(world)]
        step.finish(f"{len(able)} of {len(chosen)} scenarios can run here")
    if not able:
        return _nothing_to_run(kube, wanted, world, chosen)
    deploy.check_rights(kube)
    mark = _mark(kube, wanted, wanted.settings.fingerprint([node.name for node in world.nodes]))
    lanes = wanted.lanes or (3 if sum(one.policies is not None for one in able) > 6 else 1)
    want = deploy.Wanted(
        run=mark,
        world=world,
        settings=wanted.settings,
        lanes=lanes,
        groups=frozenset(group for one in able for group in one.groups),
    )
    report.resume = "`ciliumctl connectivity cleanup` removes what is left of the test"
    engine = Engine(kube, context=kube.context)
    nodes = tuple(node.name for node in world.nodes)
    try:
        beds = deploy.make(kube, want, report)
        ready = time.monotonic()
        tested = _all(engine, chosen, beds, wanted, report)
        ended = time.monotonic()
        late = kube.deadline.passed and any(one.outcome == "error" for one in tested)
        bad = [one for one in tested if one.bad]
        if bad:
            on_failure(bad, nodes)
    except BaseException as error:
        engine.stopped.set()
        if isinstance(error, CiliumctlError):
            on_failure((), nodes)
        if not wanted.keep:
            deploy.take_away(kube, want.namespaces, report)
        raise
    engine.stopped.set()
    cleaning = time.monotonic()
    left = _kept(kube, mark, report) if wanted.keep else deploy.take_away(kube, want.namespaces, report)
    return Connectivity(
        context=kube.context,
        namespace=mark.namespace(0),
        nodes=nodes,
        families=beds[0].families,
        profile=_profile(wanted),
        scenarios=tuple(tested),
        seconds={"setup": ready - began, "tests": ended - ready, "cleanup": time.monotonic() - cleaning},
        execs=engine.execs,
        kept=wanted.keep,
        left=left,
        late=late,
        patterns=patterns(tuple(tested)),
    )


def _profile(wanted: Wanted) -> str:
    return "custom" if wanted.tests or wanted.only else wanted.profile


def _nothing_to_run(kube: Kube, wanted: Wanted, world: World, chosen: Sequence[Scenario]) -> Connectivity:
    """A run of which the cluster would skip everything: no bed is made for it."""
    return Connectivity(
        context=kube.context,
        namespace="",
        nodes=tuple(node.name for node in world.nodes),
        families=world.families,
        profile=_profile(wanted),
        scenarios=tuple(skipped(one, one.skipped(world)) for one in chosen),
    )


def _kept(kube: Kube, mark: session.Run, report: Reporter) -> tuple[str, ...]:
    """Say on the bed that a later run may have it; one that ended otherwise is never used again."""
    try:
        deploy.hand_over(kube, mark)
    except CiliumctlError as error:
        report.warn(f"the pods stay, and cannot be used again: {error.message}", error.hint)
    report.resume = ""
    return ()


def _mark(kube: Kube, wanted: Wanted, bed: str) -> session.Run:
    """This run's mark; with `keep`, that of a bed that a run kept at its end, and that nobody else takes now."""
    if wanted.keep:
        for namespace in deploy.left(kube):
            found = session.of(namespace)
            fits = found.kept and (found.owner, found.bed) == (wanted.owner, bed) and not deploy.expired(namespace)
            if fits and (mine := deploy.take(kube, namespace)) is not None:
                return mine
    return session.new(wanted.owner, bed)


def _all(
    engine: Engine, chosen: Sequence[Scenario], beds: Sequence[Bed], wanted: Wanted, report: Reporter
) -> list[Tested]:
    """Run them: those that change nothing side by side, those with policies alone in their lane."""
    world = beds[0].world
    results: dict[str, Tested] = {}
    for scenario in chosen:
        reason = scenario.skipped(world)
        if reason:
            results[scenario.name] = skipped(scenario, reason)
    able = [scenario for scenario in chosen if scenario.name not in results]
    quiet = [scenario for scenario in able if scenario.policies is None]
    loud = [scenario for scenario in able if scenario.policies is not None]
    board = _Board(report, len(able))

    def one(scenario: Scenario, bed: Bed) -> None:
        with board.running(scenario):
            found = _tried(engine, scenario, bed, wanted.retries)
            if found.bad and not engine.stopped.is_set():
                found = replace(found, evidence=evidence.gather(engine.kube, bed, found, scenario))
        results[scenario.name] = found
        if not engine.stopped.is_set():
            board.ended(found)

    with report.step(f"Testing {len(able)} scenarios") as step:
        board.step = step
        _raise_first(gather([partial(one, scenario, beds[0]) for scenario in quiet], limit=4))
        todo: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
        for scenario in loud:
            todo.put(scenario)
        _raise_first(gather([partial(_lane, todo, bed, one) for bed in beds]))
        failed = sum(found.bad for found in results.values())
        step.finish(f"{failed} failed" if failed else "all passed", outcome="failed" if failed else "done")
    return [results[scenario.name] for scenario in chosen]


def _lane(todo: queue.SimpleQueue[Scenario], bed: Bed, one: Callable[[Scenario, Bed], None]) -> None:
    while True:
        try:
            scenario = todo.get_nowait()
        except queue.Empty:
            return
        one(scenario, bed)


def _raise_first(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, Exception):
            raise result


def _tried(engine: Engine, scenario: Scenario, bed: Bed, retries: int) -> Tested:
    """Run it, and again when it failed: one that passes then is told as flaky."""
    if engine.stopped.is_set() or engine.kube.deadline.passed:
        return replace(skipped(scenario, ""), outcome="error", reason="the time was up before it began")
    found = engine.test(scenario, bed)
    for attempt in range(2, retries + 2):
        if not found.bad or engine.kube.deadline.passed:
            return found
        again = engine.test(scenario, bed)
        outcome: Outcome = "flaky" if again.outcome == "passed" else again.outcome
        found = replace(again, outcome=outcome, attempts=attempt, seconds=found.seconds + again.seconds)
    return found


def skipped(scenario: Scenario, reason: str) -> Tested:
    """A scenario that did not run."""
    return Tested(
        name=scenario.name, about=scenario.about, category=scenario.category, outcome="skipped", reason=reason
    )


def incomplete(result: Connectivity) -> CiliumctlError | None:
    """The error of a run that did not come to its whole end: its time was up, or its pods are still there."""
    if result.late:
        return TimedOut(
            "the time was up before every scenario had run",
            hint="raise `--timeout`, or choose fewer with `--test REGEX`",
        )
    return deploy.still_there(result.left) if result.ok and result.left else None


class _Board:
    """What is running now, and one line for each that ended."""

    def __init__(self, report: Reporter, total: int) -> None:
        self._report = report
        self._total = total
        self._running: list[str] = []
        self._done = 0
        self._lock = threading.Lock()
        self.step: Step | None = None

    @contextmanager
    def running(self, scenario: Scenario) -> Iterator[None]:
        """Show that a scenario runs, for the block."""
        self._change(self._running.append, scenario.name)
        try:
            yield
        finally:
            self._change(self._running.remove, scenario.name)

    def _change(self, how: Callable[[str], None], name: str) -> None:
        with self._lock:
            how(name)
            if self.step is not None:
                self.step.glance(f"{self._done} of {self._total}", [*self._running])

    def ended(self, tested: Tested) -> None:
        """Say how a scenario ended, and what failed in it."""
        with self._lock:
            self._done += 1
            detail = f"{len(tested.probes)} probes"
            if tested.bad:
                detail = tested.reason or f"{len(tested.failures)} of {len(tested.probes)} probes failed"
            elif tested.outcome != "passed":
                detail = f"{tested.outcome}: {tested.reason or f'passed at attempt {tested.attempts}'}"
            outcome: Ended = "failed" if tested.bad else "skipped" if tested.outcome == "skipped" else "done"
            self._report.ended(tested.name, outcome, detail, tested.seconds)
