"""Run what a CI system would run: the shell steps of a pipeline, in their order, in the shell that the system uses."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ciliumctl.pipelines import ShellStep

#: GitHub's shell for `shell: bash`; GitLab's scripts end at the first failure, too.
_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
_COMPARISON = re.compile(r"inputs\.([\w-]+) (==|!=) '([^']*)'")


@dataclass(frozen=True)
class StepRan:
    """What a step did; `summary` is what it wrote for the page that GitHub shows of it."""

    name: str
    code: int
    out: str
    err: str
    summary: str = ""

    @property
    def said(self) -> str:
        """All that the job's log has of it."""
        return self.out + self.err


def program(folder: Path, argv: Sequence[str]) -> Path:
    """A folder for PATH whose `ciliumctl` is the command line `argv`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ciliumctl"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return folder


def _same(argv: Sequence[str]) -> Sequence[str]:
    return argv


def run_steps(
    steps: Iterable[ShellStep],
    *,
    folder: Path,
    environ: Mapping[str, str],
    within: Callable[[Sequence[str]], Sequence[str]] = _same,
    timeout: float = 900.0,
) -> Iterator[StepRan]:
    """Run steps in `folder`: after a failure only those that always run.

    `environ` wins over a step's own variables: those name places that only the CI system has. `within` makes of a
    command line one that runs it elsewhere, such as in a container that sees `folder` in the same place.
    """
    failed = False
    for step in steps:
        if failed and not step.always:
            continue
        ran = _run(step, folder, {**step.environ, **environ}, within, timeout)
        failed = failed or ran.code != 0
        yield ran


def _run(
    step: ShellStep,
    folder: Path,
    environ: Mapping[str, str],
    within: Callable[[Sequence[str]], Sequence[str]] = _same,
    timeout: float = 900.0,
) -> StepRan:
    script = folder / ".step.sh"
    script.write_text(step.script, encoding="utf-8")
    script.chmod(0o755)
    # Tekton starts a script by its first line.
    argv = [str(script)] if step.script.startswith("#!") else [*_SHELL, str(script)]
    done = subprocess.run(
        within(argv),
        env=dict(environ),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    script.unlink()
    return StepRan(step.name, done.returncode, done.stdout.decode(), done.stderr.decode())


def with_program(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with `folder` first on PATH."""
    return {**environ, "PATH": f"{folder}{os.pathsep}{environ.get('PATH', os.defpath)}"}


@dataclass(kw_only=True)
class GitHubJob:
    """A job on a runner of GitHub's: a workspace, and files by which a step tells the runner what others are to know.

    `known` are the values of expressions such as `secrets.KUBECONFIG`.
    """

    folder: Path
    environ: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)
    failed: bool = False

    def __post_init__(self) -> None:
        for path in (self.workspace, self.temp):
            path.mkdir(parents=True, exist_ok=True)
        self.environ |= {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(self.workspace)}
        self.environ["RUNNER_TEMP"] = str(self.temp)

    @property
    def workspace(self) -> Path:
        """Where the repository is checked out."""
        return self.folder / "workspace"

    @property
    def temp(self) -> Path:
        """What the runner empties after the job."""
        return self.folder / "temp"

    def run(self, steps: Iterable[ShellStep], inputs: Mapping[str, str] | None = None) -> list[StepRan]:
        """Run a workflow's steps, or with `inputs` those of an action."""
        self.known |= {f"inputs.{name}": value for name, value in (inputs or {}).items()}
        return [self._step(step) for step in steps if self._wanted(step)]

    def _wanted(self, step: ShellStep) -> bool:
        if step.always or not step.condition:
            return step.always or not self.failed
        compared = _COMPARISON.fullmatch(step.condition)
        assert compared, f"this runner does not know `if: {step.condition}`"
        same = self.known[f"inputs.{compared[1]}"] == compared[3]
        return not self.failed and same == (compared[2] == "==")

    def _step(self, step: ShellStep) -> StepRan:
        files = {name: self.folder / name for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        own = {name: self._filled(value) for name, value in step.environ.items()}
        told = {f"GITHUB_{name}": str(path) for name, path in files.items()}
        ran = _run(step, self.workspace, {**self.environ, **told, **own})
        self.failed = self.failed or ran.code != 0
        if step.key:
            self.known |= {f"steps.{step.key}.outputs.{key}": value for key, value in _pairs(files["OUTPUT"])}
        self.environ |= dict(_pairs(files["ENV"]))
        for line in files["PATH"].read_text().splitlines():
            self.environ = with_program(Path(line), self.environ)
        return StepRan(ran.name, ran.code, ran.out, ran.err, files["STEP_SUMMARY"].read_text())

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self.known[found[1]], text)


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines():
        name, equals, value = line.partition("=")
        assert equals, f"no `NAME=VALUE`: {line}"
        yield name, value
