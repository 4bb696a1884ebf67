from __future__ import annotations

import pytest

from ciliumctl.report import Event, Note, Reporter, StepEnded, StepProgress, StepStarted, Warned


def test_a_step_is_told_from_its_start_to_its_end() -> None:
    events: list[Event] = []
    clock = iter([0.0, 1.5])
    reporter = Reporter(events.append, clock=lambda: next(clock))
    with reporter.step("Working") as step:
        step("half", ["one line"], done=1, total=2)
        step.finish("all of it")
    assert events == [
        StepStarted(key=1, title="Working"),
        StepProgress(key=1, detail="half", lines=("one line",), done=1, total=2),
        StepEnded(key=1, title="Working", outcome="done", detail="all of it", seconds=1.5),
    ]


def test_a_step_whose_block_raises_has_failed() -> None:
    events: list[Event] = []

    def work() -> None:
        with Reporter(events.append).step("Working") as step:
            step("so far")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert (ended.outcome, ended.detail) == ("failed", "so far")


def test_an_interrupted_step_has_failed_too() -> None:
    events: list[Event] = []
    with pytest.raises(KeyboardInterrupt), Reporter(events.append).step("Working"):
        raise KeyboardInterrupt
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert ended.outcome == "failed"


def test_notes_and_warnings_are_events_of_their_own() -> None:
    events: list[Event] = []
    reporter = Reporter(events.append)
    reporter.note("by the way")
    reporter.warn("careful", "do this")
    assert events == [Note(text="by the way"), Warned(text="careful", hint="do this")]
