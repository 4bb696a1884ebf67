"""Programs that stand in for Go and for the tools that are asked for their version."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GO = """\
#!{python}
import json, os, pathlib, subprocess, sys, time
folder = pathlib.Path({folder!r})
plan = json.loads((folder / "plan.json").read_text())
arguments = sys.argv[1:]
record = {{"argv": arguments, "env": dict(os.environ), "pid": os.getpid(), "cwd": os.getcwd()}}
for name in ("go.mod", "go.sum"):
    if os.path.exists(name):
        record[name] = open(name).read()
number = len(list(folder.glob("go-call-*.json")))
(folder / f"go-call-{{number}}.json").write_text(json.dumps(record))
if arguments[:2] == ["mod", "download"]:
    if plan.get("unreachable"):
        print(json.dumps({{"Error": "dial tcp: lookup modules.example: no such host"}}))
        sys.exit(1)
    print(json.dumps({{"Dir": str(folder / "module"), "Sum": plan["sum"]}}))
    sys.exit(0)
if plan.get("hang"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "hanging").write_text(str(child.pid))
    time.sleep(600)
if plan.get("fails"):
    print(plan["fails"], file=sys.stderr)
    sys.exit(1)
out = pathlib.Path(arguments[arguments.index("-o") + 1])
out.mkdir()
for package in arguments[arguments.index("-o") + 2:]:
    print(package, file=sys.stderr)
    parts = [part for part in package.split("/") if not (part[0] == "v" and part[1:].isdigit())]
    path = out / parts[-1]
    path.write_text("#!/bin/sh\\necho v" + plan["version"] + "\\n")
    path.chmod(0o755)
"""


@dataclass(frozen=True)
class Call:
    """One call of the stand-in for Go."""

    argv: list[str]
    env: dict[str, str]
    pid: int
    cwd: str
    mod: str
    sum: str


class StubGo:
    """A Go toolchain in a folder of its own, which is to be put on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "go"
        path.write_text(_GO.format(python=sys.executable, folder=str(folder)))
        path.chmod(0o755)
        module = folder / "module"
        module.mkdir()
        (module / "go.mod").write_text("module theirs\n\ngo 1.24.0\n\ngodebug default=go1.24\n")
        (module / "go.sum").write_text("example.com/dependency v1.0.0 h1:AAAA=\n")

    def answer(self, **plan: Any) -> None:
        """Say what the next calls do: sum and version, unreachable, fails, hang."""
        (self.folder / "plan.json").write_text(json.dumps(plan))

    @property
    def calls(self) -> list[Call]:
        """How it was called so far."""
        found = []
        for number in range(len(list(self.folder.glob("go-call-*.json")))):
            read = json.loads((self.folder / f"go-call-{number}.json").read_text())
            found.append(
                Call(
                    argv=read["argv"],
                    env=read["env"],
                    pid=read["pid"],
                    cwd=read["cwd"],
                    mod=read.get("go.mod", ""),
                    sum=read.get("go.sum", ""),
                )
            )
        return found

    @property
    def hanging(self) -> int:
        """The process number of what a hanging build started; 0 before."""
        path = self.folder / "hanging"
        return int(path.read_text() or 0) if path.exists() else 0


def speaks(path: Path, words: str) -> Path:
    """A program that says something on standard output, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{words}\nEND\n")
    path.chmod(0o755)
    return path


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
