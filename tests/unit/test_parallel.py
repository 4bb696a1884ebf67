from __future__ import annotations

import threading
from functools import partial

import pytest

from ciliumctl.parallel import gather, gather_all, together


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
