"""Nothing of a cluster stays behind, whatever was killed half-way: found by its name and its folder, not by memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ciliumctl.lab.processes import Process, born, stop
from ciliumctl.wait import Deadline, poll
from tests.cluster import network

_CGROUPS = Path("/sys/fs/cgroup")
#: The programs a cluster starts outside of its nodes' namespaces, to be told from a person's own `less cluster/log`.
_PROGRAMS = ("etcd", "kube", "containerd", "ctr")


def recorded(state: Mapping[str, Any]) -> tuple[Process, ...]:
    """The processes in a cluster's file."""
    return tuple(Process(**{**entry, "log": Path(entry["log"])}) for entry in state["processes"])


def remove(name: str, folder: Path) -> None:
    """End and delete everything that is left of cluster `name` in `folder`."""
    groups = cgroups(folder)
    stop(_recorded_in(folder), grace=1.0)
    _kill(found(name, folder))
    network.down(name)
    for mount in reversed(mounts(folder)):
        subprocess.run(["umount", "-l", mount], check=False)
    for top in groups:
        _remove_cgroup(top)
    shutil.rmtree(folder, ignore_errors=True)


def traces(name: str, folder: Path) -> list[str]:
    """What is still there of a cluster, one line each; empty when nothing is."""
    links = network.links(name)
    return [
        *(f"process {process.pid} ({process.name})" for process in found(name, folder)),
        *(f"network namespace {space}" for space in network.namespaces(name)),
        *(f"link {link}" for link in links),
        *(f"mount {mount}" for mount in mounts(folder)),
        *(f"control group {top}" for top in cgroups(folder)),
        *([f"folder {folder}"] if folder.exists() else []),
    ]


def found(name: str, folder: Path) -> list[Process]:
    """Running processes of a cluster's: in its network namespaces or control groups, or a server on its files."""
    spaces = {_inode(Path("/run/netns") / space) for space in network.namespaces(name)} - {None}
    groups = {int(pid) for top in cgroups(folder) for file in top.rglob("cgroup.procs") for pid in _words(file)}
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]

    def mine(pid: int) -> bool:
        return pid in groups or _inode(Path(f"/proc/{pid}/ns/net")) in spaces or _serves(pid, folder)

    processes = [Process(name=_comm(pid), pid=pid, born=born(pid), log=folder) for pid in pids if mine(pid)]
    return [process for process in processes if process.alive and process.pid != os.getpid()]


def _kill(processes: Sequence[Process]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    poll(
        lambda: [process for process in processes if process.alive],
        lambda alive: not alive,
        deadline=Deadline.after(5.0),
        interval=0.05,
    )


def _serves(pid: int, folder: Path) -> bool:
    return _program(pid, folder).startswith(_PROGRAMS)


def serving(program: str, folder: Path) -> list[Process]:
    """The running processes of one program, such as `kube-proxy`, on files below `folder`."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    mine = [pid for pid in pids if _program(pid, folder).startswith(program)]
    return [Process(name=program, pid=pid, born=born(pid), log=folder) for pid in mine if born(pid)]


def _program(pid: int, folder: Path) -> str:
    """The name of a process's program; empty when its command line names nothing below `folder`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return Path(command.split("\0", maxsplit=1)[0]).name if f"{folder}/" in command else ""


def _recorded_in(folder: Path) -> tuple[Process, ...]:
    try:
        return recorded(json.loads((folder / "cluster.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return ()


def mounts(folder: Path) -> list[str]:
    """Mounts below a folder, in the order they were made."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


def cgroups(folder: Path) -> list[Path]:
    """The control groups of a cluster's containers, in every hierarchy.

    containerd gives all of them one parent, whoever's they are; its state in `folder` says which are this cluster's.
    """
    tasks = folder.glob("*/containerd-state/io.containerd.runtime.v2.task/k8s.io/*")
    patterns = [pattern for task in tasks for pattern in (f"k8s.io/{task.name}", f"*/k8s.io/{task.name}")]
    return sorted(group for pattern in patterns for group in _CGROUPS.glob(pattern) if group.is_dir())


def _remove_cgroup(top: Path) -> None:
    """Delete a control group, its children first; one whose processes just ended is busy for a moment."""
    for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
        _removed(folder)
    poll(partial(_removed, top), bool, deadline=Deadline.after(2.0), interval=0.05)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
