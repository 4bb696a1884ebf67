"""What is known of the labs on this machine, kept in one folder each."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl.errors import Locked, UsageError
from ciliumctl.lab.processes import Process

Provider = Literal["kind", "simulated"]
DEFAULT_NAME = "lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One throwaway cluster. `created` is in Unix seconds."""

    kind: ClassVar[str] = "Lab"

    name: str
    provider: Provider
    nodes: int
    kubernetes: str
    server: str
    context: str
    kubeconfig: Path
    created: float
    complete: bool
    processes: tuple[Process, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it runs."""
        return self.complete and all(process.alive for process in self.processes)

    @property
    def state(self) -> str:
        """`running`, `half-started` or `broken`."""
        if not self.complete:
            return "half-started"
        return "running" if self.ok else "broken"


class Labs:
    """The folder of labs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, name: str) -> Path:
        """Where one lab keeps its files."""
        return self._folder / name

    def names(self) -> list[str]:
        """Every lab's name."""
        return sorted(path.parent.name for path in self._folder.glob("*/lab.json"))

    def load(self, name: str) -> Lab | None:
        """One lab, or `None` when there is none of that name."""
        try:
            data: dict[str, Any] = json.loads((self.folder(name) / "lab.json").read_text())
        except FileNotFoundError:
            return None
        processes = tuple(Process(**{**entry, "log": Path(entry["log"])}) for entry in data.pop("processes"))
        return Lab(**{**data, "kubeconfig": Path(data["kubeconfig"]), "processes": processes})

    def save(self, lab: Lab) -> None:
        """Keep a lab's description, whole or not at all."""
        folder = self.folder(lab.name)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "lab.json.part"
        part.write_text(json.dumps(asdict(lab), default=str, indent=2))
        part.replace(folder / "lab.json")

    def add_process(self, lab: Lab, process: Process) -> Lab:
        """Keep one more process with its lab, at once: whatever happens next, `down` finds it."""
        lab = replace(lab, processes=(*lab.processes, process))
        self.save(lab)
        return lab

    def remove(self, name: str) -> None:
        """Forget a lab and delete its files."""
        shutil.rmtree(self.folder(name), ignore_errors=True)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Work on one lab alone. Raises `Locked` when another run does."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f".{name}.lock"
        with path.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise Locked(
                    f"another run works on lab `{name}`: {lock.read().strip() or 'unknown'}", hint="wait for it"
                ) from error
            lock.truncate(0)
            lock.write(f"since {time.strftime('%H:%M:%S')}\n")
            lock.flush()
            yield


def checked_name(name: str) -> str:
    """A name that can be a folder and a context. Raises `UsageError`."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", name):
        raise UsageError(
            f"`{name}` cannot be the name of a lab", hint="use lower-case letters, digits and dashes, 32 at most"
        )
    return name
