"""How a capture ends: with an interrupt, what was captured is kept; with which error the command ends."""

from __future__ import annotations

from collections.abc import Callable

from ciliumctl.capture.crew import Crew, Job
from ciliumctl.capture.model import Capture
from ciliumctl.errors import CiliumctlError, Disconnected, Ended, HungUp, Interrupted, Partial, Terminated


def until_interrupted(wait: Callable[[], None]) -> tuple[bool, BaseException | None]:
    """Wait; whether an interrupt (Ctrl-C, SIGTERM, SIGHUP) ended that, and which. A second one is raised as ever."""
    try:
        wait()
    except (KeyboardInterrupt, Terminated) as stop:
        return True, stop
    return False, None


def error_of(result: Capture, crew: Crew, stopped: BaseException | None) -> CiliumctlError | None:
    """The error with which the command ends although there is a result; `None` when all is there."""
    bad = [job for job in crew.jobs if job.captured.reason]
    if stopped is not None:
        return _stopped(stopped, "what was captured until then is kept")
    if len(bad) == len(crew.jobs) and not any(one.file for one in result.targets):
        return bad[0].error or _partial(crew, bad)
    if bad:
        return _partial(crew, bad)
    lacking = [one for one in result.targets if one.missing and not one.flows]
    if lacking and crew.wanted.flows:
        return Partial(
            f"the packets are there, and Hubble's flows are not: {lacking[0].missing}",
            hint="`ciliumctl hubble status`; `--no-flows` does not ask for them",
        )
    return None


def _partial(crew: Crew, bad: list[Job]) -> Partial:
    first = bad[0].captured
    return Partial(
        f"{len(bad)} of {len(crew.jobs)} targets could not be captured in full; {first.target}: {first.reason}",
        hint=bad[0].error.hint if bad[0].error is not None else "",
    )


def _stopped(stopped: BaseException, kept: str) -> CiliumctlError:
    if isinstance(stopped, Disconnected):
        return HungUp(f"the terminal is gone (SIGHUP); {kept}")
    if isinstance(stopped, Terminated):
        return Ended(f"terminated; {kept}")
    return Interrupted(f"interrupted; {kept}")


def targets_of(crew: Crew) -> str:
    """The targets in a few words."""
    first = crew.jobs[0].target.key
    return first if len(crew.jobs) == 1 else f"{first} and {len(crew.jobs) - 1} more"


def about(job: Job) -> str:
    """A target in the words of a merged file."""
    node = job.target.node
    return f"{job.target.key} on node {node}, by {job.captured.method}, interface {job.captured.interface}"
