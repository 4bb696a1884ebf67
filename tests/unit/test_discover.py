from __future__ import annotations

from pathlib import Path

from ciliumctl import status
from ciliumctl.discover import discover, summaries
from ciliumctl.status.verdict import Component


def test_a_summary_is_the_first_line_of_the_docstring(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('"""Do one thing.\n\nAt length.\n"""\n')
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "__init__.py").write_text('"""Do two things."""\n')
    (tmp_path / "_hidden.py").write_text('"""Not this."""\n')
    (tmp_path / "data").mkdir()
    assert list(summaries(tmp_path)) == [("one", "Do one thing."), ("two", "Do two things.")]


def test_a_module_without_a_docstring_has_no_summary(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert list(summaries(tmp_path)) == [("plain", "")]


def test_modules_are_searched_for_objects_of_a_kind() -> None:
    assert discover(status, Component) == []
    assert discover(status, type(discover))
