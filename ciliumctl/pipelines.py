"""Pipelines for CI systems: one template each in `templates/ci/`, filled in, written, and read back as shell steps."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl import files, templates, yaml_files
from ciliumctl.errors import BadFile, Missing, UsageError
from ciliumctl.values import presets

System = Literal["github", "gitlab", "tekton"]
Profile = Literal["smoke", "full"]
Outcome = Literal["shown", "written", "unchanged"]

_SOURCE = "https://github.com/ciliumctl/ciliumctl"
_RAW = "https://raw.githubusercontent.com/ciliumctl/ciliumctl"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_VERSION = re.compile(r"v?([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z]*(?:[-.+][0-9A-Za-z]+)*)")
# What goes into a command line needs no quoting, and means nothing to any of the systems.
_WORD = re.compile(r"[A-Za-z0-9._/][A-Za-z0-9._/:@+~-]*")
_BLOCK = re.compile(r"^ *# if (\w+)\n(.*?)^ *# end\n", re.MULTILINE | re.DOTALL)
_GAP = re.compile(r"<<(\w+)>>")
_NEEDS = re.compile(r"^# needs: (.+)$", re.MULTILINE)
# How long a job may take, and the network's test in it, in minutes.
_MINUTES: Mapping[str, tuple[int, int]] = {"smoke": (45, 10), "full": (75, 40)}
# Characters of a file that is there already, and no pipeline beyond.
_LONGEST = 4 * 1024 * 1024
_IMAGES = {"kind": "docker:28-dind", "kubeconfig": "python:3.13-slim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a pipeline is to do.

    `ciliumctl` is a version or a full commit. The `cluster` `auto` is `kind`, or for Tekton, whose pods cannot run
    kind's nodes, `kubeconfig`.
    """

    system: System
    ciliumctl: str
    cluster: Literal["auto", "kind", "kubeconfig"] = "auto"
    cilium: str = ""
    chart: str = ""
    presets: tuple[str, ...] = ()
    profile: Profile = "smoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline's text. `needs` says what must be there for it to run; `file` is empty where none was written."""

    kind: ClassVar[str] = "Pipeline"

    system: System
    ciliumctl: str
    cluster: str
    needs: tuple[str, ...]
    file: str
    outcome: Outcome
    text: str

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellStep:
    """A script that a pipeline runs, with the variables that it sets for it. `always`: also after a failure.

    `key` is how other steps name its outputs, `condition` GitHub's `if`.
    """

    name: str
    script: str
    environ: Mapping[str, str] = field(default_factory=dict)
    always: bool = False
    key: str = ""
    condition: str = ""

    @property
    def checks(self) -> bool:
        """Whether it installs, waits or tests, rather than preparing or tidying up."""
        return re.search(r"^ *ciliumctl (install|status|connectivity) ", self.script, re.MULTILINE) is not None


def generate(wanted: Wanted) -> Pipeline:
    """The pipeline. Raises `UsageError` for what no pipeline can hold."""
    _check(wanted)
    usual = "kubeconfig" if wanted.system == "tekton" else "kind"
    cluster = usual if wanted.cluster == "auto" else wanted.cluster
    text = templates.path(f"ci/{wanted.system}.yaml").read_text(encoding="utf-8")
    pin = "commit" if _COMMIT.fullmatch(wanted.ciliumctl) else "tag"
    text = _BLOCK.sub(lambda found: found[2] if found[1] in {cluster, pin} else "", text)
    gaps = _gaps(wanted, cluster)
    text = _GAP.sub(lambda found: gaps[found[1]], text)
    return Pipeline(
        system=wanted.system,
        ciliumctl=wanted.ciliumctl,
        cluster=cluster,
        needs=tuple(_NEEDS.findall(text)),
        file="",
        outcome="shown",
        text=text,
    )


def _check(wanted: Wanted) -> None:
    if not (_COMMIT.fullmatch(wanted.ciliumctl) or _VERSION.fullmatch(wanted.ciliumctl)):
        raise UsageError(
            f"`{wanted.ciliumctl}` is neither a version of ciliumctl nor a full commit",
            hint="write `--version 0.1.0`, or all 40 digits of a commit",
        )
    for flag, word in (("--cilium-version", wanted.cilium), ("--chart", wanted.chart)):
        if word and not _WORD.fullmatch(word):
            raise UsageError(
                f"`{flag} {word}` cannot stand in a pipeline", hint="letters, digits and `. _ / : @ + ~ -` can"
            )
    for name in wanted.presets:
        presets.load(name)
    if wanted.system == "tekton" and wanted.cluster == "kind":
        raise UsageError(
            "a Tekton task cannot run kind's nodes: they need a privileged pod",
            hint="give it a cluster: `--cluster kubeconfig`",
        )


def _gaps(wanted: Wanted, cluster: str) -> dict[str, str]:
    """What goes into the templates' gaps, by name."""
    job, testing = _MINUTES[wanted.profile]
    found = _VERSION.fullmatch(wanted.ciliumctl)
    commit = _COMMIT.fullmatch(wanted.ciliumctl)
    ref = wanted.ciliumctl if commit or not found else f"v{found[1]}"
    version = found[1] if found and not commit else ""
    return {
        "cancel": "true" if cluster == "kind" else "false",
        "group": "cilium-${{ github.ref }}" if cluster == "kind" else "cilium",
        "image": _IMAGES[cluster],
        "install": " ".join(_install(wanted)),
        "minutes": str(job),
        "ref": ref,
        "requirement": f"ciliumctl=={version}" if version else f"ciliumctl @ {_SOURCE}/archive/{ref}.tar.gz",
        "requirements": f"{_RAW}/{ref}/requirements.txt",
        "status": "ciliumctl status --wait --timeout 5m",
        "test": f"ciliumctl connectivity test --profile {wanted.profile} --timeout {testing}m",
    }


def _install(wanted: Wanted) -> Iterator[str]:
    yield "ciliumctl install"
    if wanted.cilium:
        yield f"--version {wanted.cilium}"
    if wanted.chart:
        yield f"--chart {wanted.chart}"
    for name in wanted.presets:
        yield f"--preset {name}"
    yield "--wait --timeout 10m"


def write(pipeline: Pipeline, path: Path, consent: Callable[[Path], None]) -> Pipeline:
    """Write the pipeline to a file, at once and whole; a file that is the same is left alone.

    `consent` is asked before another file's content is lost, and raises when it is not given.

    Raises:
        BadFile: there is something that is no text, or too long. Missing: it cannot be written.
    """
    before = _content(path)
    if before == pipeline.text:
        return replace(pipeline, file=str(path), outcome="unchanged")
    if before is not None:
        consent(path)
    try:
        files.write_whole(path, pipeline.text)
    except OSError as error:
        raise Missing(
            f"`{path}` cannot be written: {error.strerror}", hint="name another file with `--output`"
        ) from error
    return replace(pipeline, file=str(path), outcome="written")


def _content(path: Path) -> str | None:
    """The text that would be lost; `None` where none would be: no file yet, or a device or a pipe, never read."""
    try:
        found = path.stat().st_mode
        if not (stat.S_ISREG(found) or stat.S_ISDIR(found)):
            return None
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadFile(f"`{path}` cannot be read: {why}", hint="name another file with `--output`") from error
    if len(text) > _LONGEST:
        raise BadFile(f"`{path}` is too long for a pipeline", hint="name another file with `--output`")
    return text


def shell_steps(text: str) -> tuple[ShellStep, ...]:
    """What a pipeline runs in a shell, in its order: GitHub's `run`, GitLab's `script`s, a Tekton Task's `script`s.

    An action of GitHub's, made of steps, is read as a workflow is.
    """
    documents = [document for document in yaml_files.parse_all(text) if isinstance(document, dict)]
    return tuple(step for document in documents for step in _steps_of(document))


def _steps_of(document: Mapping[str, Any]) -> Iterator[ShellStep]:
    if document.get("kind") == "Task":
        yield from _tekton(document["spec"])
    elif "jobs" in document:
        for job in document["jobs"].values():
            yield from _github(job)
    elif "runs" in document:
        yield from _github(document["runs"])
    else:
        for name, job in document.items():
            if isinstance(job, dict) and "script" in job:
                yield from _gitlab(name, job)


def _tekton(spec: Mapping[str, Any]) -> Iterator[ShellStep]:
    template = spec.get("stepTemplate", {})
    environ = {entry["name"]: str(entry["value"]) for entry in template.get("env", ())}
    for step in spec["steps"]:
        yield ShellStep(name=step["name"], script=step["script"], environ=environ)


def _github(job: Mapping[str, Any]) -> Iterator[ShellStep]:
    for step in job["steps"]:
        if "run" in step:
            environ = {name: str(value) for name, value in step.get("env", {}).items()}
            condition = str(step.get("if", ""))
            yield ShellStep(
                name=step["name"],
                script=step["run"],
                environ=environ,
                always="always()" in condition,
                key=step.get("id", ""),
                condition=condition,
            )


def _gitlab(name: str, job: Mapping[str, Any]) -> Iterator[ShellStep]:
    """One shell runs `before_script` and `script`; `after_script` has its own, and runs after a failure too."""
    environ = {key: str(value) for key, value in job.get("variables", {}).items()}
    for part in ("before_script", "script", "after_script"):
        if lines := job.get(part):
            script = "\n".join(lines)
            yield ShellStep(name=f"{name}: {part}", script=script, environ=environ, always=part == "after_script")
