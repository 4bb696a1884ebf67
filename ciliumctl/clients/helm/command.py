"""pyhelm3's `Command`, hardened: no shell, its own process group, a deadline, our errors.

Stock pyhelm3 runs `sh -c`: on Debian's dash, cancelling killed the shell and left helm at work, and the cancel waited
for it. It also puts a token on argv, knows no `install`, no `-f` files and no `--dry-run=server`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyhelm3

from ciliumctl.clients.helm.failures import failure
from ciliumctl.clients.helm.storage import as_input
from ciliumctl.errors import HelmTimedOut, Missing

#: Seconds that helm has to mark its release as failed after a SIGTERM; seen: 0.02 s on a healthy API server.
GRACE = 0.8


class HelmCommand(pyhelm3.Command):  # type: ignore[misc]  # pyhelm3 has no types
    """Runs helm for one cluster and user."""

    def __init__(
        self,
        *,
        executable: str,
        connection: Sequence[str],
        environ: Mapping[str, str],
        seconds: float,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(executable=executable)
        self._connection = list(connection)
        self._environ = dict(environ)
        self._seconds = seconds
        self._trace = trace

    async def run(self, command: list[Any], input: bytes | None = None) -> bytes:  # noqa: A002 - pyhelm3's name
        """Run helm to its end and return its standard output. Raises `CiliumctlError`."""
        argv = [str(part) for part in [self._executable, *command, *self._connection]]
        if self._trace is not None:
            self._trace(shlex.join(masked(argv)))
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise Missing(
                f"helm at `{self._executable}` cannot be run: {error.strerror}", hint="`ciliumctl tools install helm`"
            ) from error
        try:
            async with asyncio.timeout(self._seconds):
                stdout, stderr = await process.communicate(input)
        except TimeoutError as error:
            await stop(process)
            raise HelmTimedOut(f"helm did not end within {self._seconds:.0f} s", hint="raise `--timeout`") from error
        except asyncio.CancelledError:
            await stop(process)
            raise
        if process.returncode:
            raise failure(stderr.decode("utf-8", "replace"))
        return stdout

    async def install(
        self, name: str, chart: str, arguments: Sequence[str], values: Mapping[str, Any], namespace: str
    ) -> dict[str, Any]:
        """Install a release, and fail when it exists: `upgrade --install` would change it."""
        argv = ["install", name, chart, "--namespace", namespace, "--output", "json", "--values", "-", *arguments]
        return _json_object(await self.run(argv, as_input(values)))

    async def upgrade(
        self, name: str, chart: str, arguments: Sequence[str], values: Mapping[str, Any], namespace: str
    ) -> dict[str, Any]:
        """Upgrade a release with exactly these values, nothing reused."""
        argv = ["upgrade", name, chart, "--namespace", namespace, "--output", "json", "--values", "-"]
        argv += ["--reset-values", *arguments]
        return _json_object(await self.run(argv, as_input(values)))

    async def render(
        self, name: str, chart: str, arguments: Sequence[str], values: Mapping[str, Any], namespace: str
    ) -> str:
        """The manifest as text, without a cluster."""
        argv = ["template", name, chart, "--namespace", namespace, "--values", "-", *arguments]
        return (await self.run(argv, as_input(values))).decode()


async def stop(process: asyncio.subprocess.Process) -> None:
    """End helm and all it started: TERM, so that it can mark its release, then KILL."""
    for sign, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            async with asyncio.timeout(seconds):
                await process.communicate()
        except TimeoutError:
            continue
        return


def _json_object(output: bytes) -> dict[str, Any]:
    # Helm 4.2 and later print what they pulled from a registry before the JSON.
    text = output.decode()
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def masked(argv: Sequence[str]) -> list[str]:
    """A command line to show: values given with `--set` may be secrets."""
    return [
        f"{word.split('=')[0] if '=' in word else ''}=…" if before.startswith("--set") else word
        for before, word in zip(["", *argv], argv, strict=False)
    ]
