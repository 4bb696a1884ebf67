"""Build programs from their Go modules, for where the publisher's site cannot be reached but the module proxy can."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ciliumctl.errors import ChecksumMismatch, DownloadFailed, Missing, TimedOut
from ciliumctl.report import Reporter, Step
from ciliumctl.tools.asking import cached_path, in_cache, installed_version, writable
from ciliumctl.tools.catalogue import Module, Tool, here
from ciliumctl.wait import Deadline, poll

#: Seconds between two words about how far a build is; the first, of a cold cache, takes minutes.
_SAY_EVERY = 15.0
_OURS = ("-mod", "-modfile", "-overlay", "-o", "-C")


def toolchain(environ: Mapping[str, str]) -> str:
    """Where Go is; empty when it is not installed."""
    return shutil.which("go", path=environ.get("PATH", "")) or ""


def build(
    module: Module,
    tools: Sequence[Tool],
    folder: Path,
    *,
    environ: Mapping[str, str],
    report: Reporter,
    deadline: Deadline,
) -> dict[str, Path]:
    """Build programs of one module into `folder`, as `NAME-VERSION`, and return where they are by name.

    The module's checksum must be the one that we know; that of what it depends on is in the module itself. Two runs
    at once do not build the same: the second one waits for the first. An interrupt ends the compiler.

    Raises:
        ChecksumMismatch: the module is not the one we know.
        DownloadFailed: the module proxy cannot be reached, or the build failed.
        Missing: there is no Go toolchain. TimedOut: the deadline passed.
    """
    go = toolchain(environ)
    if not go:
        raise Missing("there is no Go toolchain to build it with", hint="install Go, or the program itself")
    writable(folder)
    names = ", ".join(tool.name for tool in tools)
    with report.step(f"Build {names} {module.version} with Go") as step, _turn(folder, step, deadline):
        left = [tool for tool in tools if in_cache(tool, folder) is None]
        if left:
            with tempfile.TemporaryDirectory(prefix=".build-", dir=folder, ignore_cleanup_errors=True) as scratch:
                _build(_Go(go, Path(scratch), environ, deadline), module, left, folder, environ, step)
        step.finish("from the module proxy, verified")
    return {tool.name: cached_path(tool, folder) for tool in tools}


class _Go:
    """Runs Go commands in one scratch folder, and ends them with all that they started when we are interrupted."""

    def __init__(self, executable: str, scratch: Path, environ: Mapping[str, str], deadline: Deadline) -> None:
        self._executable = executable
        self.scratch = scratch
        self._deadline = deadline
        mine = here()
        kept = [flag for flag in environ.get("GOFLAGS", "").split() if flag.lstrip("-").partition("=")[0] not in _OURS]
        # `go env -w` sets a default for each of these; what is built must not depend on it. GOTMPDIR: the compiler's
        # own scratch is gone with ours, also after a SIGKILL.
        self._environ = {
            **environ,
            "CGO_ENABLED": "0",
            "GO111MODULE": "on",
            "GOARCH": mine.arch,
            "GOFLAGS": " ".join([*kept, "-mod=mod", "-buildvcs=false"]),
            "GOOS": mine.os,
            "GOTMPDIR": str(scratch),
            "GOWORK": "off",
        }

    def __call__(self, *arguments: str, say: Callable[[str], None] = lambda _line: None) -> tuple[int, str, str]:
        """Run `go`: exit code, standard output, standard error. `say` gets each line of the latter."""
        process = subprocess.Popen(
            [self._executable, *arguments],
            cwd=self.scratch,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        output: dict[str, str] = {}
        readers = [
            threading.Thread(target=_read, args=(process.stdout, "out", output, lambda _line: None), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, "err", output, say), daemon=True),
        ]
        try:
            for reader in readers:
                reader.start()
            left = self._deadline.left()
            process.wait(left if left < threading.TIMEOUT_MAX else None)
        except subprocess.TimeoutExpired as error:
            raise TimedOut("the time is up before the Go build ended", hint="raise `--timeout`") from error
        finally:
            _end(process)
            for reader in readers:
                reader.join(5)
        return process.returncode, output.get("out", ""), output.get("err", "")


def _read(stream: IO[str], key: str, output: dict[str, str], say: Callable[[str], None]) -> None:
    lines = []
    with stream:
        for line in stream:
            lines.append(line)
            say(line.rstrip("\n"))
    output[key] = "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    """Nothing of a Go command outlives it: its own caches stand being killed."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _turn(folder: Path, step: Step, deadline: Deadline) -> Iterator[None]:
    """Wait until no other run builds into the folder."""
    with (folder / ".build.lock").open("w") as file:

        def free() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                step("waiting for another ciliumctl that builds")
                return False
            except OSError:
                # A file system without locks: two runs do the same work then.
                return True
            return True

        if not poll(free, bool, deadline=deadline, interval=0.5):
            raise TimedOut("another ciliumctl is still building", hint="raise `--timeout`")
        yield


def _build(
    go: _Go, module: Module, tools: Sequence[Tool], folder: Path, environ: Mapping[str, str], step: Step
) -> None:
    step("fetching the module")
    source = _fetched(go, module)
    _write_module(go.scratch, module, source)
    step("compiling; the first time this takes minutes")
    flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in module.variables.items())]
    code, _out, err = go(
        *("build", "-v", "-trimpath", "-ldflags", " ".join(flags), "-o", f"{go.scratch / 'out'}/"),
        *(tool.package for tool in tools),
        say=_counter(step),
    )
    if code:
        said = "\n".join(line for line in err.splitlines() if " " in line)
        raise DownloadFailed(f"the Go build of {module.name} failed: {_reason(said)}", hint=_hint(said), detail=said)
    for tool in tools:
        built = go.scratch / "out" / _binary_name(tool.package)
        says = installed_version(tool, built, environ)
        if says != tool.version:
            raise DownloadFailed(
                f"what Go built as {tool.name} says it is `{says or 'nothing'}`, not {tool.version}",
                hint="this is a bug of ciliumctl's tools.yaml; install the program yourself meanwhile",
            )
        built.replace(cached_path(tool, folder))


def _fetched(go: _Go, module: Module) -> Path:
    """The module's folder in Go's cache, its checksum compared."""
    (go.scratch / "go.mod").write_text("module build\n")
    code, out, err = go("mod", "download", "-json", f"{module.name}@v{module.version}")
    try:
        answer: dict[str, str] = json.loads(out)
    except ValueError:
        answer = {}
    said = answer.get("Error") or err
    if code or "Dir" not in answer:
        raise DownloadFailed(f"Go cannot fetch {module.name}: {_reason(said)}", hint=_hint(said), detail=said)
    if answer.get("Sum") != module.sum:
        raise ChecksumMismatch(
            f"the Go module {module.name} {module.version} is not the one we know: "
            f"its checksum is {answer.get('Sum')}, not {module.sum}",
            hint="do not use it: the module proxy gave something else",
        )
    return Path(answer["Dir"])


def _write_module(scratch: Path, module: Module, source: Path) -> None:
    """A module that only requires the other one: `go install` refuses those whose go.mod replaces modules."""
    theirs = (source / "go.mod").read_text()
    kept = re.findall(r"^(?:go|godebug) .+$", theirs, re.MULTILINE)
    lines = ["module build", *kept, f"require {module.name} v{module.version}"]
    if module.staging:
        staged = re.findall(r"^\s*(?:replace )?(\S+) => \./staging/", theirs, re.MULTILINE)
        lines += [f"replace {name} => {name} v{module.staging}" for name in staged]
    (scratch / "go.mod").write_text("\n".join(lines) + "\n")
    sums = source / "go.sum"
    known = sums.read_text() if sums.is_file() else ""
    (scratch / "go.sum").write_text(f"{known.rstrip()}\n{module.name} v{module.version} {module.sum}\n".lstrip())


def _binary_name(package: str) -> str:
    """What `go build` calls a program: the last part of its path that is no major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def _counter(step: Step) -> Callable[[str], None]:
    """Counts the packages that `go build -v` names, and says so now and then."""
    count = 0
    spoken = time.monotonic()

    def say(line: str) -> None:
        nonlocal count, spoken
        if " " not in line:
            count += 1
        if time.monotonic() - spoken >= _SAY_EVERY:
            spoken = time.monotonic()
            step(f"{count} packages compiled")

    return say


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("go: ") if lines else "it gave no reason"


def _hint(text: str) -> str:
    if "SECURITY ERROR" in text or "checksum mismatch" in text:
        return "do not use it: the module proxy gave something else than the checksum database knows"
    if "toolchain not available" in text or "requires go >=" in text:
        return "install a newer Go"
    return "check the network and `go env GOPROXY`"
