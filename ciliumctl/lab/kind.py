"""The `kind` provider: real nodes in containers, where a Docker or Podman engine answers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ciliumctl import templates, yaml_files
from ciliumctl.errors import LabFailed, UsageError
from ciliumctl.lab.state import Lab, Labs
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline

ENGINES = ("docker", "podman")
_ANSWER_SECONDS = 3.0
_MOST_NODES = 20


def engine(environ: Mapping[str, str]) -> str:
    """The container engine that answers, empty when none does. A client without an engine does not count."""
    for name in ENGINES:
        try:
            done = subprocess.run(
                [name, "info"], capture_output=True, timeout=_ANSWER_SECONDS, check=False, env=dict(environ)
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return name
    return ""


def configuration(count: int) -> str:
    """Kind's configuration for `count` nodes, one of them the control plane."""
    config = templates.load("lab/kind.yaml")
    config["nodes"] += [{"role": "worker"} for _ in range(count - 1)]
    return yaml_files.dump(config)


def up(
    name: str,
    *,
    count: int,
    labs: Labs,
    program: Path,
    with_engine: str,
    environ: Mapping[str, str],
    deadline: Deadline,
    report: Reporter,
) -> Lab:
    """Start a kind cluster without a CNI. Whatever fails, what was started is deleted again."""
    if not 1 <= count <= _MOST_NODES:
        raise UsageError(
            f"a kind lab has 1 to {_MOST_NODES} nodes, not {count}", hint="`--provider simulated` takes up to 5000"
        )
    folder = labs.folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kind.yaml").write_text(configuration(count))
    kubeconfig = folder / "admin.conf"
    lab = Lab(
        name=name,
        provider="kind",
        nodes=count,
        kubernetes="",
        server="",
        context=name,
        kubeconfig=kubeconfig,
        created=time.time(),
        complete=False,
    )
    labs.save(lab)
    env = _with_engine(environ, with_engine)
    with report.step(f"Starting a kind cluster of {count} node{'s' if count > 1 else ''} with {with_engine}") as step:
        argv = ["create", "cluster", "--name", name, "--config", str(folder / "kind.yaml")]
        try:
            _run(program, [*argv, "--kubeconfig", str(kubeconfig)], env, deadline)
        except BaseException:
            _run(program, ["delete", "cluster", "--name", name], env, Deadline.after(60.0), must=False)
            labs.remove(name)
            raise
        step.finish("its nodes stay NotReady until a CNI is there")
    complete = Lab(
        name=name,
        provider="kind",
        nodes=count,
        kubernetes="",
        server=str(yaml_files.load(kubeconfig)["clusters"][0]["cluster"]["server"]),
        context=name,
        kubeconfig=kubeconfig,
        created=lab.created,
        complete=True,
    )
    labs.save(complete)
    return complete


def down(name: str, *, program: Path, with_engine: str, environ: Mapping[str, str], deadline: Deadline) -> None:
    """Delete a kind cluster."""
    _run(program, ["delete", "cluster", "--name", name], _with_engine(environ, with_engine), deadline)


def _with_engine(environ: Mapping[str, str], name: str) -> dict[str, str]:
    return {**environ, "KIND_EXPERIMENTAL_PROVIDER": name}


def _run(
    program: Path, argv: Sequence[str], environ: Mapping[str, str], deadline: Deadline, *, must: bool = True
) -> None:
    try:
        done = subprocess.run(
            [str(program), *argv],
            capture_output=True,
            text=True,
            check=False,
            env=dict(environ),
            timeout=deadline.left(3600.0),
        )
    except subprocess.TimeoutExpired as error:
        raise LabFailed("kind did not end in time", hint="raise `--timeout`") from error
    if must and done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise LabFailed(
            f"kind failed: {lines[-1].removeprefix('ERROR: ') if lines else f'exit code {done.returncode}'}",
            hint="`-v` shows what kind says",
            detail=done.stderr,
        )
