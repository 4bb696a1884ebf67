from __future__ import annotations

import threading
from functools import partial

import pytest

from ciliumctl.parallel import beside, gather, gather_all, together


def test_results_come_in_the_order_of_the_calls() -> None:
    assert gather_all([partial(int, str(number)) for number in range(50)], limit=7) == list(range(50))


def test_calls_run_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=5)
    gather_all([meeting.wait] * 4)


def test_no_more_calls_run_at_once_than_allowed() -> None:
    running, most, lock = 0, 0, threading.Lock()
    hold = threading.Event()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        hold.wait(0.01)
        with lock:
            running -= 1

    gather_all([call] * 20, limit=3)
    assert most <= 3


def test_a_failure_stands_in_its_place_and_the_rest_goes_on() -> None:
    first, second = gather([partial(int, "no"), partial(int, "2")])
    assert isinstance(first, ValueError)
    assert second == 2


def test_the_first_failure_is_raised_when_all_are_needed() -> None:
    with pytest.raises(ValueError, match="no"):
        gather_all([partial(int, "1"), partial(int, "no")])


def test_calls_of_different_kinds_keep_their_types() -> None:
    number, text = together(partial(int, "1"), partial(str, 2))
    assert number + 1 == 2
    assert text.upper() == "2"


def test_nothing_to_do_is_done_at_once() -> None:
    assert gather([]) == []


def test_of_two_calls_side_by_side_one_runs_on_this_thread() -> None:
    here, there = beside(threading.current_thread, threading.current_thread)
    assert here is threading.current_thread()
    assert there is not here


@pytest.mark.parametrize("which", [0, 1])
def test_the_failure_of_either_of_two_calls_is_raised(which: int) -> None:
    def fail() -> None:
        raise ValueError("no")

    calls = [lambda: None, lambda: None]
    calls[which] = fail
    with pytest.raises(ValueError, match="no"):
        beside(*calls)
