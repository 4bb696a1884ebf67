"""The generated pages are as the code is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docs import generate
from docs.generating import commands, environment, exit_codes, text
from tests.world.run import HERE


def test_the_generated_pages_are_up_to_date() -> None:
    assert generate.out_of_date(generate.pages()) == [], "run `nox -s reference`"


def test_a_stale_page_a_missing_one_and_a_left_over_schema_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 0
    (tmp_path / "commands.md").write_text("old", encoding="utf-8")
    (tmp_path / "exit-codes.md").unlink()
    (tmp_path / "schemas" / "Gone.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert generate.main() == 1
    said = [f"stale: docs/reference/{name}" for name in ("commands.md", "exit-codes.md", "schemas/Gone.json")]
    assert capsys.readouterr().out.splitlines() == said
    assert (tmp_path / "commands.md").read_text(encoding="utf-8") == "old"


def test_every_command_is_a_heading_and_every_option_a_row() -> None:
    page = commands.page()
    for words, command in commands.commands():
        if not words:
            continue
        assert f"\n## ciliumctl {' '.join(words)}\n" in page
        for param in command.params:
            for flag in (*param.opts, *param.secondary_opts):
                assert param.param_type_name != "option" or f"`{flag}`" in page


def test_every_error_code_is_in_its_table() -> None:
    page = exit_codes.page()
    for error in exit_codes.errors():
        assert f"| `{error.code}` | `{error.exit_code}`" in page


def test_reads_of_the_environment_are_found_in_all_their_forms(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        'os.environ.get("A"); self.environ["B"]; "C" in environ; self._environ.get(name); environ.get(f"{p}_D")\n'
        'other.get("E"); _value(environ, "f")\n',
        encoding="utf-8",
    )
    assert sorted(environment.variables_read(tmp_path)) == ["A", "B", "C", "f, F", "name", "{p}_D"]
    with pytest.raises(SystemExit, match="not explained"):
        environment.page(tmp_path)


def test_a_help_text_becomes_prose_and_console_blocks() -> None:
    shown = text.help_text("Do <it>.\n\nExamples:\n  ciliumctl a\n  ciliumctl b     the other\n")
    assert shown == "Do &lt;it>.\n\nExamples:\n\n```console\n$ ciliumctl a\n$ ciliumctl b  # the other\n```\n\n"


def test_the_generator_is_what_nox_runs() -> None:
    assert '"-m", "docs.generate"' in (HERE / "noxfile.py").read_text(encoding="utf-8")
