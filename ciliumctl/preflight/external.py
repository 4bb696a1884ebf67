"""Other people's checks: programs named `ciliumctl-check-…` on PATH that print their results as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from ciliumctl.checks._model import Finding, Severity, Verdict
from ciliumctl.parallel import gather_all
from ciliumctl.wait import Deadline

PREFIX = "ciliumctl-check-"
#: Seconds that a program has.
PATIENCE = 60.0
_LARGEST = 4 << 20
_OUTCOMES = ("passed", "warning", "failed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that checks something. `name` is what follows the prefix."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One result of a program."""

    id: str
    category: str
    title: str
    verdict: Verdict
    docs: str = ""
    source: str = ""
    seconds: float = 0.0


class _Bad(Exception):
    """A program did not keep to the form."""


def programs(environ: Mapping[str, str]) -> list[Program]:
    """The programs on PATH, by name; of two with one name the first on PATH, as a shell would take it."""
    found: dict[str, Program] = {}
    for folder in environ.get("PATH", "").split(os.pathsep):
        try:
            files = sorted(Path(folder).iterdir()) if folder else []
        except OSError:
            continue
        for file in files:
            name = file.name.removeprefix(PREFIX)
            if file.name.startswith(PREFIX) and name and file.is_file() and os.access(file, os.X_OK):
                found.setdefault(name, Program(name=name, path=file))
    return [found[name] for name in sorted(found)]


class Running:
    """The programs at work, with all that they started: none of them is left when the block ends, however it does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        with self._lock:
            self._over = True
            for process in self._processes:
                _kill(process)

    def output(
        self, program: Program, environ: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one to its end. Raises `OSError`, and `TimeoutExpired` once it and its children are gone."""
        with self._lock:
            if self._over:
                raise _Bad("it was not run: the checks were stopped")
            process = subprocess.Popen(
                [str(program.path)],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._processes.add(process)
        with process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise
            finally:
                with self._lock:
                    self._processes.discard(process)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program that nobody has waited for yet, so that its number is still its own, and its children."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def run(which: Sequence[Program], environ: Mapping[str, str], deadline: Deadline, running: Running) -> tuple[Said, ...]:
    """Run them all at once. One that ends badly, late or in another form is a failed check of its own name."""
    lists = gather_all([partial(_run, program, environ, deadline, running) for program in which], limit=8)
    return tuple(said for listed in lists for said in listed)


def _run(program: Program, environ: Mapping[str, str], deadline: Deadline, running: Running) -> list[Said]:
    start = time.monotonic()
    seconds = deadline.left(PATIENCE)
    try:
        found = _results(running.output(program, environ, seconds), program)
    except subprocess.TimeoutExpired:
        found = [_broken(program, f"it did not end within {seconds:.0f} s")]
    except (OSError, _Bad) as error:
        found = [_broken(program, str(error))]
    took = time.monotonic() - start
    return [
        Said(
            id=said.id,
            category=said.category,
            title=said.title,
            verdict=said.verdict,
            docs=said.docs,
            source=str(program.path),
            seconds=took,
        )
        for said in found
    ]


def _results(done: subprocess.CompletedProcess[bytes], program: Program) -> list[Said]:
    if done.returncode:
        raise _Bad(f"it ended with {done.returncode}: {_last_line(done.stderr)}")
    return _read(done.stdout, program)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing on standard error"


def _broken(program: Program, why: str) -> Said:
    name = f"{PREFIX}{program.name}"
    verdict = Verdict(
        outcome="failed",
        message=why,
        findings=(Finding(text=f"`{program.path}`: {why}"),),
        hint=f"run it by hand, or leave it out: `--skip {name}` or `--no-external-checks`",
    )
    return Said(id=name, category="external", title=f"`{name}` keeps to the form of a check", verdict=verdict)


def _read(output: bytes, program: Program) -> list[Said]:
    if len(output) > _LARGEST:
        raise _Bad(f"it printed {len(output) >> 20} MiB")
    try:
        content = json.loads(output)
    except ValueError as error:
        raise _Bad("what it printed is no JSON") from error
    except RecursionError as error:
        raise _Bad("what it printed is nested too deeply") from error
    if not isinstance(content, list):
        raise _Bad("it must print a list of results")
    return [_said(number, entry, program) for number, entry in enumerate(content, 1)]


def _said(number: int, entry: Any, program: Program) -> Said:
    if not isinstance(entry, dict):
        raise _Bad(f"result {number} is not an object")
    for key in ("id", "title", "outcome"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise _Bad(f"result {number} has no `{key}`")
    if entry["outcome"] not in _OUTCOMES:
        raise _Bad(f"result {number} has the outcome `{entry['outcome']}`, not one of {', '.join(_OUTCOMES)}")
    if entry["id"].upper().startswith("CIL-"):
        raise _Bad(f"result {number} has the id `{entry['id']}`; those with CIL- are ciliumctl's own")
    verdict = Verdict(
        outcome=entry["outcome"],
        message=str(entry.get("message") or ""),
        evidence=tuple(str(line) for line in _list(entry, "evidence", number)),
        findings=tuple(_finding(one, entry["outcome"], number) for one in _list(entry, "findings", number)),
        hint=str(entry.get("hint") or ""),
    )
    return Said(
        id=entry["id"],
        category=str(entry.get("category") or program.name),
        title=entry["title"],
        verdict=verdict,
        docs=str(entry.get("docs") or ""),
    )


def _list(entry: Mapping[str, Any], key: str, number: int) -> list[Any]:
    found = entry.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _Bad(f"result {number}: `{key}` is no list")
    return found


def _finding(one: Any, outcome: str, number: int) -> Finding:
    if isinstance(one, str):
        one = {"text": one}
    if not isinstance(one, dict) or not one.get("text"):
        raise _Bad(f"result {number}: a finding has no `text`")
    usual = "warning" if outcome == "warning" else "error"
    said = one.get("severity") or usual
    if said not in {"error", "warning"}:
        raise _Bad(f"result {number}: a finding has the severity `{said}`, not error or warning")
    severity: Severity = "warning" if said == "warning" else "error"
    return Finding(text=str(one["text"]), severity=severity, object=str(one.get("object") or ""))
