"""Where the data files are: presets, lab configuration, policies, pipelines."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def root() -> Path:
    """The folder of the data files: the checkout's when there is one, else the wheel's.

    The checkout comes first because copies that a build made go stale in an editable install.
    """
    package = Path(__file__).parent
    checkout = package.parent / "templates"
    return checkout if (package.parent / "pyproject.toml").is_file() else package / "_templates"


def path(name: str) -> Path:
    """The path of one data file, such as `values/kind.yaml`."""
    return root() / name


def names(folder: str) -> list[str]:
    """The names, without suffix, of the YAML files in one folder."""
    return sorted(file.stem for file in (root() / folder).glob("*.yaml"))


def load(name: str) -> Any:
    """The content of one YAML data file."""
    from ciliumctl import yaml_files

    return yaml_files.load(path(name))
