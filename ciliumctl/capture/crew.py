"""The targets of one capture, side by side: what is made for each, said beforehand, and taken away whatever happens."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from ciliumctl import guests
from ciliumctl.capture import filters, places
from ciliumctl.capture.model import Capture, Captured, Ended, Target, Wanted
from ciliumctl.capture.places import Place, Plan
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, UsageError
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter
from ciliumctl.wait import hurried, overtime

#: Targets that are prepared, started and read at the same time; each costs a websocket.
AT_ONCE = 16
#: Seconds for tidying up, also when the command's time is up.
TIDYING = 30.0


@dataclass(kw_only=True)
class Job:
    """One target, and how far it is. `folder` is that of its files where its packets are."""

    target: Target
    folder: str
    plan: Plan | None = None
    place: Place | None = None
    error: CiliumctlError | None = None
    captured: Captured
    #: From the first packet to the last, in nanoseconds since 1970; zeros without packets.
    window: tuple[int, int] = (0, 0)
    #: Whether there are packets that could not be read: then its place is not taken away.
    unread: bool = False
    settled: threading.Event = field(default_factory=threading.Event)

    @property
    def there(self) -> Place:
        """Its place, once it has one."""
        if self.place is None:
            raise RuntimeError(f"{self.target.key} has no place yet")
        return self.place


@dataclass(frozen=True, kw_only=True)
class Crew:
    """All targets, and what they are captured with."""

    kube: Kube
    wanted: Wanted
    report: Reporter
    jobs: tuple[Job, ...]
    #: Set after an interrupt: whoever followed a capture until then, on a thread that nobody waits for, has no say.
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def able(self) -> tuple[Job, ...]:
        """Those with which nothing went wrong so far."""
        return tuple(job for job in self.jobs if job.error is None)

    def each(self, work: Callable[[Job], None], *, limit: int = AT_ONCE) -> None:
        """Do something for each that is able, side by side; one that fails does not stop the others."""
        jobs = self.able
        for job, done in zip(jobs, gather([partial(work, job) for job in jobs], limit=limit), strict=True):
            if isinstance(done, CiliumctlError):
                job.error = done
            elif isinstance(done, Exception):
                raise done

    def result(self, *, merged: str = "", seconds: float = 0.0) -> Capture:
        """What came of all of them."""
        for job in self.jobs:
            if job.error is not None and not job.captured.reason:
                job.captured = replace(job.captured, reason=job.error.message)
        return Capture(
            context=self.kube.context,
            filter=self.wanted.filter,
            limits=self.wanted.limits,
            targets=tuple(job.captured for job in self.jobs),
            merged=merged,
            seconds=seconds,
        )

    def refuse_usage(self) -> None:
        """What makes no sense for one target is no capture of the others: raise it."""
        for job in self.jobs:
            if isinstance(job.error, UsageError):
                raise job.error


def gathered(kube: Kube, wanted: Wanted, targets: Sequence[Target], report: Reporter) -> Crew:
    """A crew for these targets, and how each of them is captured. Nothing is made yet.

    Raises:
        UsageError: the way that was asked for does not fit a target.
    """
    token = secrets.token_hex(4)
    jobs = tuple(
        Job(
            target=target,
            folder=f"/tmp/ciliumctl-capture-{token}-{number}",  # noqa: S108 - in the container, with a name of its own
            captured=Captured(target=target.key, node=target.node, method=""),
        )
        for number, target in enumerate(targets)
    )
    crew = Crew(kube=kube, wanted=wanted, report=report, jobs=jobs)
    crew.each(partial(_plan, crew))
    crew.refuse_usage()
    return crew


def _plan(crew: Crew, job: Job) -> None:
    plan = places.choose(crew.kube, job.target, crew.wanted)
    job.plan = plan
    job.captured = Captured(
        target=job.target.key,
        node=job.target.node,
        method=plan.method,
        makes=plan.makes,
        passed_over=plan.passed_over,
        interface=plan.interface,
    )


def announce(crew: Crew) -> None:
    """Say, before it is made, what is created for each target and with what rights."""
    for job in crew.able:
        target, plan = job.target, job.plan
        if plan is None:
            continue
        how = f"creates {plan.makes}" if plan.makes else f"runs tcpdump in the agent of node {target.node}"
        crew.report.note(f"{target.key} on node {target.node}, interface {plan.interface}: {how}")
        for why in plan.passed_over:
            crew.report.note(f"{target.key}: {why}")
        if plan.method == "pod" and target.limited:
            crew.report.warn(
                f"{target.words} may use only so much disk, and the capture counts",
                "a pod that uses more is evicted: `--size` sets how much, `--where agent` takes none of the pod's",
            )
        if plan.method == "agent" and target.kind == "pod" and not target.host_network:
            crew.report.note(
                f"{target.key}: seen from the node's side; with eBPF host routing what comes in may pass that by"
            )


@contextmanager
def opened(crew: Crew) -> Iterator[None]:
    """Have a place for each target, with a filter that its tcpdump takes; everything is gone after the block.

    Raises:
        UsageError: a tcpdump does not take the filter, or there is no such interface.
    """
    crew.report.resume = "`ciliumctl debug cleanup --all` removes what is left; it ends by itself, too"
    try:
        try:
            crew.each(partial(_open, crew))
        except BaseException:
            _settle(crew)
            raise
        crew.each(partial(_check, crew))
        crew.refuse_usage()
        yield
    finally:
        with overtime(crew.kube, seconds=TIDYING):
            _leave(crew)
    crew.report.resume = ""


def _open(crew: Crew, job: Job) -> None:
    try:
        if job.plan is not None:
            job.place = places.opened(crew.kube, job.plan, crew.wanted, crew.report)
    finally:
        job.settled.set()


def _settle(crew: Crew) -> None:
    """After an interrupt: let those that are about to start give up, and take away what they made."""
    with hurried(crew.kube):
        for job in crew.able:
            job.settled.wait(TIDYING / 2)


def _check(crew: Crew, job: Job) -> None:
    places.check(crew.kube, job.there, crew.wanted.filter)


def _leave(crew: Crew) -> None:
    for job in crew.jobs:
        if job.unread:
            _tell_where(crew, job)
    jobs = [job for job in crew.jobs if job.place is not None and not job.unread]
    for job, done in zip(jobs, gather([partial(_take_away, crew, job) for job in jobs], limit=AT_ONCE), strict=True):
        if isinstance(done, CiliumctlError):
            crew.report.warn(
                f"what was made for {job.target.key} could not be taken away: {done.message}",
                "it ends by itself; `ciliumctl debug cleanup --all` tries again",
            )
        elif isinstance(done, Exception):
            raise done


def _tell_where(crew: Crew, job: Job) -> None:
    place = job.there
    file = f"{job.folder}/pcap"
    crew.report.warn(
        f"the packets of {job.target.key} are kept for ten minutes: `{file}` in container `{place.container}` of pod "
        f"`{place.namespace}/{place.pod}`, which ends by itself",
        f"`kubectl exec -n {place.namespace} {place.pod} -c {place.container} -- cat {file} > {job.target.file}`",
    )


def _take_away(crew: Crew, job: Job) -> None:
    place = job.there
    if place.guest is None:
        # In the agent only our own files are to be removed, and what still writes them.
        place.run(crew.kube, "end", job.folder)
        place.run(crew.kube, "forget", job.folder)
    else:
        guests.part(crew.kube, place.guest, crew.report)


def why_ended(*, full: bool, stopped: bool, packets: int, limit: int) -> Ended:
    """Why a tcpdump that ended well did so."""
    if full:
        return "size"
    if stopped:
        return "interrupted"
    return "packets" if limit and packets >= limit else "duration"


def note_early_end(job: Job, code: int, said: str) -> None:
    """Note that a tcpdump ended by itself, when it did."""
    # 124 is how `timeout` ends at its time; a shell's 128 + 2 is that of the signal itself.
    if code not in {0, 124, 130}:
        job.captured = replace(job.captured, ended="lost", reason=f"tcpdump ended early: {filters.words_of(said)}")
