from __future__ import annotations

import math

from ciliumctl.wait import Deadline, overtime, poll


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_the_current_state_is_looked_at_before_anything_is_waited_for() -> None:
    clock = Clock()
    value = poll(
        lambda: "there", lambda value: value == "there", deadline=Deadline.after(0.1, clock), sleep=clock.sleep
    )
    assert value == "there"
    assert clock.slept == []


def test_a_poll_ends_at_the_deadline_with_the_last_value() -> None:
    clock = Clock()
    values = iter(range(100))
    value = poll(lambda: next(values), lambda _value: False, deadline=Deadline.after(5, clock), sleep=clock.sleep)
    assert value == 3
    assert clock.slept == [2.0, 2.0, 1.0]


def test_a_deadline_of_nothing_or_zero_never_passes() -> None:
    for seconds in (None, 0):
        deadline = Deadline.after(seconds)
        assert deadline.at == math.inf
        assert not deadline.passed
        assert deadline.left(7.0) == 7.0


def test_no_time_is_left_after_the_deadline() -> None:
    clock = Clock()
    deadline = Deadline.after(3, clock)
    assert deadline.left() == 3
    assert deadline.left(cap=1) == 1
    clock.sleep(10)
    assert deadline.left() == 0
    assert deadline.passed


def test_a_part_of_a_deadline_is_never_longer_than_the_whole() -> None:
    clock = Clock()
    deadline = Deadline.after(3, clock)
    assert deadline.within(1).left() == 1
    assert deadline.within(10).left() == 3
    assert Deadline(clock=clock).within(10).left() == 10
    clock.sleep(4)
    assert deadline.within(10).passed


def test_overtime_gives_a_client_time_to_tidy_up_and_takes_it_back() -> None:
    client = Client(Deadline.after(0.001))
    before = client.deadline
    with overtime(client, seconds=30):
        assert client.deadline.left() > 25
    assert client.deadline is before


def test_the_end_of_one_overtime_does_not_end_another_s() -> None:
    client = Client(Deadline.after(0.001))
    first, second = overtime(client, seconds=30), overtime(client, seconds=30)
    with second:
        with first:
            pass
        assert client.deadline.left() > 25
    client = Client(Deadline.after(0.001))
    first, second = overtime(client, seconds=30), overtime(client, seconds=30)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert client.deadline.left() > 25, "the second one goes on, as on another thread"
    second.__exit__(None, None, None)


def test_overtime_never_shortens_what_is_left() -> None:
    client = Client(Deadline())
    with overtime(client, seconds=30):
        assert client.deadline.left() > 30


class Client:
    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
