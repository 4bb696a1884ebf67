"""Helm, through pyhelm3: renders and changes releases. What Helm keeps in the cluster is read in `storage`.

pyhelm3 and asyncio are loaded when helm is first run: commands that only look never pay for them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from ciliumctl import machine
from ciliumctl.clients.helm.storage import (
    Release,
    Revision,
    as_input,
    decode,
    release_of,
    restated,
    revision_of,
    unpack_chart,
)
from ciliumctl.defaults import HISTORY_MAX
from ciliumctl.errors import HelmFailed, Missing
from ciliumctl.wait import Deadline

__all__ = [
    "Helm",
    "HelmOptions",
    "Inputs",
    "Release",
    "Revision",
    "SetFlag",
    "SetKind",
    "Values",
    "decode",
    "restated",
    "revision_of",
    "unpack_chart",
]

#: Helm values: nested mappings as JSON knows them.
Values = Mapping[str, Any]

T = TypeVar("T")

MINIMUM = (3, 13)
#: The first Helm that has `--take-ownership`.
TAKING_OVER = (3, 17)
INSTALL = "`ciliumctl tools install helm`"
SetKind = Literal["set", "set-string", "set-file", "set-json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFlag:
    """One `--set…` flag as the user wrote it."""

    kind: SetKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Values in Helm's own order of precedence: generated ones, the user's files, the user's flags."""

    generated: Values = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    flags: tuple[SetFlag, ...] = ()

    def arguments(self) -> list[str]:
        """The flags for helm beside `--values -`; files go to helm as they are."""
        argv = [part for file in self.files for part in ("--values", str(file))]
        return argv + [part for flag in self.flags for part in (f"--{flag.kind}", flag.text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmOptions:
    """Which helm to run, on which cluster and as whom: the same as the API calls of the command."""

    executable: str
    kubeconfig: str = ""
    context: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Helm's global flags."""
        pairs = [
            ("--kubeconfig", self.kubeconfig),
            ("--kube-context", self.context),
            ("--kube-as-user", self.as_user),
            *(("--kube-as-group", group) for group in self.as_groups),
        ]
        return [part for flag, value in pairs if value for part in (flag, value)]


_ADDRESSING = ("HELM_KUBE", "HELM_NAMESPACE")
# Seconds: helm never runs longer.
_LONGEST = 3600.0


class Helm:
    """Runs helm. Every call blocks; Ctrl-C stops helm within a second and is raised again."""

    def __init__(
        self, options: HelmOptions, *, environ: Mapping[str, str] | None = None, deadline: Deadline | None = None
    ) -> None:
        self._options = options
        given = os.environ if environ is None else environ
        # Which cluster, whom to act as and where: ours alone to say, or helm would change another cluster than the
        # one that was looked at.
        self._environ = {name: value for name, value in given.items() if not name.startswith(_ADDRESSING)}
        self._environ |= machine.marked()
        #: When the command's time is up, and helm is stopped.
        self.deadline = deadline or Deadline()
        #: Told of each command line.
        self.trace: Callable[[str], None] | None = None
        self._version = ""

    def _seconds(self) -> float:
        return self.deadline.left(_LONGEST)

    def version(self) -> str:
        """Helm's version, such as `3.22.0`. Raises `Missing` when it is too old or not helm."""
        if not self._version:
            self._version = checked_version(self._options.executable, self._environ)
        return self._version

    def install(
        self,
        name: str,
        chart: str,
        inputs: Inputs,
        *,
        namespace: str,
        description: str = "",
        dry_run: bool = False,
        take_ownership: bool = False,
    ) -> Release | str:
        """Install a release without waiting for its pods; with `dry_run`, ask the server and return the manifest.

        `take_ownership` makes objects that are there, and no release's, part of this one.

        Raises `Exists` when there is such a release, `Missing` when helm cannot do it, and the errors of `failures`.
        """
        argv = [*inputs.arguments(), "--timeout", f"{max(1, int(self._seconds()))}s"]
        if description:
            argv += ["--description", description]
        if dry_run:
            argv.append("--dry-run=server")
        if take_ownership:
            argv += self._taking_over()
        body = self._run(lambda command: command.install(name, chart, argv, inputs.generated, namespace))
        return str(body.get("manifest", "")) if dry_run else release_of(body)

    def upgrade(
        self,
        name: str,
        chart: str,
        inputs: Inputs,
        *,
        namespace: str,
        description: str = "",
        dry_run: bool = False,
        take_ownership: bool = False,
    ) -> Release:
        """Upgrade a release to exactly these values, without waiting for its pods; `take_ownership` as in `install`.

        With `dry_run` nothing is changed: the answer is the release as it would be, rendered against the cluster.
        """
        argv = [*inputs.arguments(), "--timeout", f"{max(1, int(self._seconds()))}s", "--history-max", str(HISTORY_MAX)]
        if description:
            argv += ["--description", description]
        if dry_run:
            argv.append("--dry-run=server")
        if take_ownership:
            argv += self._taking_over()
        body = self._run(lambda command: command.upgrade(name, chart, argv, inputs.generated, namespace))
        return release_of(body)

    def _taking_over(self) -> list[str]:
        """The flags that make objects of nobody part of a release. Raises `Missing` before Helm 3.17."""
        major, minor = (int(part) for part in self.version().split(".")[:2])
        if (major, minor) < TAKING_OVER:
            raise Missing(f"helm {self.version()} cannot take objects over: 3.17 or later is needed", hint=INSTALL)
        # Helm 4 applies on the server, where the fields are still those of who applied them before.
        return ["--take-ownership", *(["--force-conflicts"] if major > 3 else [])]

    def render(
        self,
        name: str,
        chart: str,
        inputs: Inputs,
        *,
        namespace: str,
        kube_version: str = "",
        api_versions: Sequence[str] = (),
    ) -> str:
        """The manifest as text, without asking any cluster."""
        argv = inputs.arguments()
        if kube_version:
            # Without it a helm that was built from source renders for Kubernetes 1.20.
            argv += ["--kube-version", kube_version]
        argv += [part for version in api_versions for part in ("--api-versions", version)]
        manifest: str = self._run(lambda command: command.render(name, chart, argv, inputs.generated, namespace))
        return manifest

    def merge(self, inputs: Inputs, defaults: Values | None = None) -> dict[str, Any]:
        """What Helm itself makes of the inputs, over `defaults` when given.

        Helm renders a chart whose only template prints its values, so the result is Helm's by construction: null
        deletes, lists are replaced, `--set` is parsed as Helm parses it.
        """
        import json

        with tempfile.TemporaryDirectory(prefix="ciliumctl-") as folder:
            chart = Path(folder) / "values"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("{apiVersion: v2, name: values, version: 0.0.0}\n")
            (chart / "values.yaml").write_bytes(as_input(defaults or {}))
            # As YAML the line stays JSON; as a plain template Helm would refuse it.
            (chart / "templates" / "values.yaml").write_text("values: {{ .Values | toJson }}\n")
            text: str = self._run(
                lambda command: command.render("values", str(chart), inputs.arguments(), inputs.generated, "default")
            )
        merged: dict[str, Any] = json.loads(text.split("values: ", 1)[1])
        return merged

    def rollback(self, name: str, revision: int, *, namespace: str, force_conflicts: bool = False) -> None:
        """Go back to a revision, as a new one, without waiting for its pods. Works on a pending release too.

        `force_conflicts` takes fields back that somebody else set; Helm 3 does not know of such, and has no flag.
        """
        argv = ["rollback", name, str(revision), "--namespace", namespace]
        argv += ["--timeout", f"{max(1, int(self._seconds()))}s", "--history-max", str(HISTORY_MAX)]
        if force_conflicts and self.version().split(".")[0] != "3":
            argv.append("--force-conflicts")
        self._run(lambda command: command.run(argv))

    def uninstall(self, name: str, *, namespace: str) -> None:
        """Remove a release. Raises `ReleaseNotFound`."""
        argv = ["uninstall", name, "--namespace", namespace, "--timeout", f"{max(1, int(self._seconds()))}s"]
        self._run(lambda command: command.run(argv))

    def pull(self, reference: str, folder: Path, *, version: str = "") -> Path:
        """Fetch a chart archive from an OCI registry into `folder` and return its path."""
        argv = ["pull", reference, "--destination", str(folder)]
        if version:
            argv += ["--version", version]
        self._run(lambda command: command.run(argv))
        archives = sorted(folder.glob("*.tgz"))
        if not archives:
            raise HelmFailed(f"helm pulled `{reference}` and left no archive")
        return archives[0]

    def _run(self, call: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        import asyncio

        from ciliumctl.clients.helm.command import HelmCommand

        command = HelmCommand(
            executable=self._options.executable,
            connection=self._options.arguments(),
            environ=self._environ,
            seconds=self._seconds(),
            trace=self.trace,
        )
        return asyncio.run(call(command))


def checked_version(executable: str, environ: Mapping[str, str]) -> str:
    """The version of the helm at `executable`. Raises `Missing` when it is too old or not helm."""
    try:
        done = subprocess.run(
            [executable, "version", "--short"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"helm at `{executable}` cannot be run: {error}", hint=INSTALL) from error
    match = re.search(r"v(\d+)\.(\d+)(\.\d+)?\S*", done.stdout)
    if match is None:
        raise Missing(f"`{executable}` is not helm", hint=f"point `--helm` at it, or {INSTALL}")
    if (int(match[1]), int(match[2])) < MINIMUM:
        raise Missing(
            f"helm {match[0]} at `{executable}` is too old: 3.13 or later is needed",
            hint=INSTALL,
        )
    return match[0].removeprefix("v").split("+")[0]
