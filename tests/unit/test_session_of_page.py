"""A page's session is taken apart, and what came is compared by its shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.session_of_page import File, Step, compare, shape, steps
from tests.world.run import HERE


def test_the_course_has_its_commands_and_its_file_in_order() -> None:
    found = list(steps(HERE / "docs" / "tutorial" / "course.md"))
    commands = [step.command for step in found if isinstance(step, Step)]
    assert all(command.startswith("ciliumctl ") for command in commands)
    order = ("install --version 1.15.6", "status --wait", "connectivity test", "logs agent", "demo url", "hubble ui")
    places = [next(index for index, command in enumerate(commands) if words in command) for words in order]
    assert places == sorted(places)
    files = [step.name for step in found if isinstance(step, File)]
    assert files == ["10-pods.conflist", "cilium-values.yaml", "policies-test.yaml"]
    assert [step.command for step in found if isinstance(step, Step) and step.fails] == [
        "ciliumctl cni lint 10-pods.conflist",
        "ciliumctl migrate plan",
        "ciliumctl install -n cilium --version 1.15.6 -f cilium-values.yaml",
        "ciliumctl -n cilium debug path pod/default/nginx-5c9bb5cb78-8tcrq pod/default/nginx-5c9bb5cb78-v98dt:8080",
    ]


@pytest.mark.parametrize(
    ("shown", "said", "left"),
    [
        (("a b", "…", "c"), "a   b\nx\nc", ""),
        (("agent 2/2 v1.15.6",), "agent   healthy", "agent 2/2 v1.15.6"),
        (("agent 2/2 v1.15.6",), "agent   3/3   v1.20.0", ""),
        (("b", "a"), "a\nb", "a"),
        (("a … d",), "a b c d", ""),
        (("a … d",), "a b c", "a … d"),
        (("a … d",), "a d", ""),
        (("… b …",), "b", ""),
        (("… b …",), "a b c d", ""),
        (("… b …",), "ab", "… b …"),
        (("b …",), "bc", "b …"),
    ],
)
def test_what_is_shown_must_come_in_its_order(shown: tuple[str, ...], said: str, left: str) -> None:
    assert compare(shown, said).missing == left


def test_only_words_with_digits_may_differ() -> None:
    assert shape("node port 30080 in namespace default").fullmatch("node port 31999 in namespace default")
    assert not shape("node port 30080 in namespace default").fullmatch("node port 31999 in namespace shop")


def test_the_code_that_a_shell_is_asked_for_is_that_of_the_command_above(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ one\nits line\n$ echo $?\n1\n$ two\nerror: no\n$ three\n```\n", encoding="utf-8")
    one, two, three = (step for step in steps(page) if isinstance(step, Step))
    assert (one.shown, [one.ends(code) for code in (0, 1, 2)]) == (("its line",), [False, True, False])
    assert [two.ends(code) for code in (0, 1, 2)] == [False, True, True]
    assert [three.ends(code) for code in (0, 1)] == [True, False]


def test_names_of_the_page_become_those_that_came_first() -> None:
    shown = ("pod web-1a on node-1", "pod web-1a (10.0.0.1)")
    names = compare(shown, "pod shop-7x on node-2\npod shop-8y (10.9.9.9)").names
    assert names == {"web-1a": "shop-7x", "node-1": "node-2"}
    step = Step(command="ciliumctl debug path pod/default/web-1a web-2b:80 --ttl 10m", shown=())
    assert step.called(names) == "ciliumctl debug path pod/default/shop-7x web-2b:80 --ttl 10m"
