"""A page's session is taken apart, and what came is compared by its shape."""

from __future__ import annotations

import pytest

from tests.e2e.session_of_page import File, Step, missing, shape, steps
from tests.world.run import HERE


def test_the_course_has_its_commands_and_its_file_in_order() -> None:
    found = list(steps(HERE / "docs" / "tutorial" / "course.md"))
    commands = [step.command for step in found if isinstance(step, Step)]
    assert all(command.startswith("ciliumctl ") for command in commands)
    order = ("install --version 1.15.6", "status --wait", "connectivity test", "logs agent", "demo deploy", "hubble ui")
    places = [next(index for index, command in enumerate(commands) if words in command) for words in order]
    assert places == sorted(places)
    assert [step.name for step in found if isinstance(step, File)] == ["cilium-values.yaml"]
    assert [step.command for step in found if isinstance(step, Step) and step.fails] == [
        "ciliumctl install -n cilium --version 1.15.6 -f cilium-values.yaml"
    ]


@pytest.mark.parametrize(
    ("shown", "said", "left"),
    [
        (("a b", "…", "c"), "a   b\nx\nc", ""),
        (("agent 2/2 v1.15.6",), "agent   healthy", "agent 2/2 v1.15.6"),
        (("agent 2/2 v1.15.6",), "agent   3/3   v1.20.0", ""),
        (("b", "a"), "a\nb", "a"),
    ],
)
def test_what_is_shown_must_come_in_its_order(shown: tuple[str, ...], said: str, left: str) -> None:
    assert missing(shown, said) == left


def test_only_words_with_digits_may_differ() -> None:
    assert shape("node port 30080 in namespace default").fullmatch("node port 31999 in namespace default")
    assert not shape("node port 30080 in namespace default").fullmatch("node port 31999 in namespace shop")
