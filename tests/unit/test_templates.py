from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import templates, yaml_files

FILES = sorted(templates.root().rglob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(templates.root())) for path in FILES])
def test_every_template_parses(path: Path) -> None:
    assert yaml_files.parse_all(path.read_bytes())


def test_the_checkout_s_templates_come_before_a_build_s_copies() -> None:
    assert (templates.root().parent / "pyproject.toml").is_file()
