"""All that CI runs, by name; `nox -l` lists it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

HERE = Path(__file__).parent
CONSTRAINTS = str(HERE / "constraints.txt")


def _install(session: nox.Session, *groups: str) -> None:
    """Install the project, and dependency groups of pyproject.toml, in the exact versions of constraints.txt."""
    project = nox.project.load_toml("pyproject.toml")
    session.install("-c", CONSTRAINTS, "-e", ".", *nox.project.dependency_groups(project, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, and the rules about who may import whom."""
    _install(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell", ".")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly, of the tests too."""
    _install(session, "dev")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that can be tested on this machine: unit, commands, and the real control plane with real Helm."""
    _install(session, "dev")
    # Two at a time, a file of tests staying together: much of the time goes into waiting for programs.
    session.run("pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Tests with real nodes and real traffic; needs root. Where that cannot be, it says why and exits with 8."""
    _install(session, "dev")
    # Not through `session.run`: its failures all end as 1.
    python = str(Path(session.bin) / "python")
    code = subprocess.run([python, "-m", "tests.cluster", "check"], cwd=HERE, check=False).returncode
    if code:
        sys.exit(code)
    # What failed last is remembered apart: the other tests may run meanwhile.
    session.run("pytest", "-o", "cache_dir=.pytest_cache/e2e", "tests/e2e", *session.posargs)


@nox.session
def quickstart(session: nox.Session) -> None:
    """The main job, printed command by command: a throwaway cluster, Cilium on it, a look around, all gone again."""
    _install(session)
    session.run("python", "-m", "tests.quickstart", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Start-up, installation, status and connectivity tests, against bare helm and another CLI (`-- --peer PATH`)."""
    _install(session, "dev")
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def reference(session: nox.Session) -> None:
    """Write the generated pages of the documentation anew: commands, exit codes, JSON schemas."""
    _install(session, "dev")
    session.run("python", "-m", "docs.generate", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it into an empty environment and start it from there."""
    session.install("build")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), str(HERE))
    (built,) = dist.glob("*.whl")
    empty = Path(session.create_tmp()).resolve() / "empty"
    shutil.rmtree(empty, ignore_errors=True)
    session.run("python", "-m", "venv", str(empty))
    python = str(empty / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, str(built), external=True)
    with session.chdir(session.create_tmp()):
        command = str(empty / "bin" / "ciliumctl")
        session.run(command, "--help", external=True, silent=True)
        session.run(command, "version", "--client", external=True, env={"PATH": os.environ.get("PATH", "")})
        session.run(command, "preset", "list", external=True)
