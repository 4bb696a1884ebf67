"""Run what a CI system would run: the shell steps of a pipeline, in their order, in the shell that the system uses."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ciliumctl.pipelines import ShellStep

#: GitHub's shell for `shell: bash`; GitLab's and Tekton's scripts end at the first failure, too.
_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


@dataclass(frozen=True)
class StepRan:
    """What a step did."""

    name: str
    code: int
    out: str
    err: str


def program(folder: Path, argv: Sequence[str]) -> Path:
    """A folder for PATH whose `ciliumctl` is the command line `argv`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ciliumctl"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return folder


def run_steps(
    steps: Iterable[ShellStep], *, folder: Path, environ: Mapping[str, str], timeout: float = 900.0
) -> Iterator[StepRan]:
    """Run steps in `folder`: after a failure only those that always run.

    `environ` wins over a step's own variables: those name places that only the CI system has.
    """
    failed = False
    for number, step in enumerate(steps):
        if failed and not step.always:
            continue
        script = folder / f".step-{number}.sh"
        script.write_text(step.script, encoding="utf-8")
        done = subprocess.run(
            [*_SHELL, str(script)],
            env={**step.environ, **environ},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        failed = failed or done.returncode != 0
        yield StepRan(step.name, done.returncode, done.stdout.decode(), done.stderr.decode())


def with_program(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with `folder` first on PATH."""
    return {**environ, "PATH": f"{folder}{os.pathsep}{environ.get('PATH', os.defpath)}"}
