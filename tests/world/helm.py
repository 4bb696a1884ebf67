"""A program that stands in for helm: records how it was called, answers as told. The real pyhelm3 runs it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = """\
#!{python}
import json, os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
plan = json.loads((folder / "plan.json").read_text())
number = len(list(folder.glob("call-*.json")))
stdin = sys.stdin.buffer.read().decode() if not sys.stdin.isatty() else ""
record = {{"argv": sys.argv[1:], "stdin": stdin, "env": dict(os.environ), "pid": os.getpid()}}
(folder / f"call-{{number}}.json").write_text(json.dumps(record))
if plan.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif plan.get("says_when_stopped"):
    def stop(*_):
        (folder / "stopped").write_text("TERM")
        sys.exit(1)
    signal.signal(signal.SIGTERM, stop)
if plan.get("hang"):
    (folder / "hanging").write_text("")
    time.sleep(600)
if sys.argv[1] in plan.get("fails", {{}}) and "--dry-run=server" not in sys.argv:
    sys.stderr.write(plan["fails"][sys.argv[1]])
    sys.exit(1)
if "values" in plan and any(part.endswith("/values") for part in sys.argv):
    sys.stdout.write("values: " + json.dumps(plan["values"]))
    sys.exit(0)
sys.stdout.write(plan.get("stdout", ""))
sys.stderr.write(plan.get("stderr", ""))
sys.exit(plan.get("code", 0))
"""


@dataclass(frozen=True)
class Call:
    """One call of the stand-in."""

    argv: list[str]
    stdin: str
    env: dict[str, str]
    pid: int


class StubHelm:
    """The stand-in, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "helm"
        self.path.write_text(_SCRIPT.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(0o755)
        self.answer()

    def answer(self, **plan: Any) -> None:
        """Say what the next calls do: stdout, stderr, code, hang, stubborn, says_when_stopped.

        `values` is what comes of merging values, where a call does that; `stdout` is for the others. `fails` says
        with which words commands fail that are no dry run.
        """
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def answer_release(self, *, fails: dict[str, str] | None = None, **more: Any) -> None:
        """Answer as `helm install --output json` does."""
        body = {
            "name": "cilium",
            "namespace": "kube-system",
            "version": 1,
            "info": {"status": "deployed"},
            "chart": {"metadata": {"name": "cilium", "version": "1.15.6"}},
            "manifest": "kind: X\n",
            **more,
        }
        self.answer(stdout=json.dumps(body), fails=fails or {})

    @property
    def calls(self) -> list[Call]:
        """The calls so far, oldest first."""
        paths = sorted(self.folder.glob("call-*.json"), key=lambda path: int(path.stem.split("-")[1]))
        return [Call(**json.loads(path.read_text())) for path in paths]
