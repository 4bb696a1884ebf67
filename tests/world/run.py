"""Run the command line as a user does: a process of its own, or in this one where speed matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner  # noqa: TID251 - the tests run the command line

from ciliumctl.cli import app

HERE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The envelope on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@contextmanager
def hearing_hang_ups() -> Iterator[None]:
    """What starts meanwhile is not deaf to SIGHUP: tests that run under nohup themselves would hand that on."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, inherited)


def quiet_environ(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine shows."""
    return {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "CILIUMCTL_CACHE": str(folder / "cache"),
        "CILIUMCTL_CONFIG": str(folder / "no-config.yaml"),
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "TERMINAL_WIDTH": "100",
        "LANG": "C.UTF-8",
        **more,
    }


def run(*arguments: str, env: Mapping[str, str], stdin: str = "") -> Ran:
    """Run in this process."""
    cleared = {name: None for name in os.environ if name.startswith(("CILIUM", "KUBE", "HELM", "GITHUB", "CI"))}
    result = CliRunner().invoke(app, list(arguments), env={**cleared, **env}, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(code=result.exit_code, out=result.stdout, err=result.stderr)


def run_process(*arguments: str, env: Mapping[str, str], stdin: bytes | None = None, timeout: float = 300.0) -> Ran:
    """Run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ciliumctl", *arguments],
        env={**env, "PYTHONPATH": str(HERE)},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout,
        check=False,
        cwd=env.get("HOME"),
    )
    return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
