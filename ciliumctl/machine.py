"""Which process this is, in a form that a later run on the same machine can check."""

from __future__ import annotations

import os
from pathlib import Path

#: In the environment of the programs that a run starts: the mark of the run.
VARIABLE = "CILIUMCTL_RUN"
_PROC = Path("/proc")


def here(proc: Path = _PROC) -> str:
    """The mark of this process; empty where the system does not tell (no Linux), and then nobody can check it."""
    pid = os.getpid()
    parts = (_boot(proc), _namespace(proc), str(pid), _born(proc, pid))
    return "/".join(parts) if all(parts) else ""


def marked() -> dict[str, str]:
    """The environment that tells the programs of this run from others."""
    return {VARIABLE: here()}


def gone(mark: str, proc: Path = _PROC) -> bool:
    """Whether the process behind a mark has certainly ended, and all that it started with it.

    Only a process of this boot and of this process namespace can be judged; of any other the answer is no.
    """
    boot, _slash, rest = mark.partition("/")
    namespace, _slash, rest = rest.partition("/")
    pid, _slash, born = rest.partition("/")
    if not pid.isdigit() or not boot or (boot, namespace) != (_boot(proc), _namespace(proc)):
        return False
    return _born(proc, int(pid)) != born and not left_behind(mark, proc)


def left_behind(mark: str, proc: Path = _PROC) -> list[int]:
    """The numbers of the programs that the process behind a mark started and that still run.

    A run that is killed leaves its helm behind, and that goes on changing the cluster.
    """
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for entry in proc.glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and _born(proc, int(entry.name)):
            found.append(int(entry.name))
    return sorted(found)


def _boot(proc: Path) -> str:
    try:
        return (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace(proc: Path) -> str:
    try:
        return str((proc / "self/ns/pid").readlink())
    except OSError:
        return ""


def _born(proc: Path, pid: int) -> str:
    try:
        # Field 22; the name in field 2 may hold spaces and brackets. A zombie does no work any more.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]
