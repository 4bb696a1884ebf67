"""Where captures go: a file, a folder with one for each target, one file of all. For their owner's eyes only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ciliumctl.capture import pcapng
from ciliumctl.capture.model import Target
from ciliumctl.capture.pcap import Header, Packet
from ciliumctl.errors import Exists, UsageError
from ciliumctl.files import unwritable

STREAM = "-"
_NG = ".pcapng"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A file, or with `folder` a folder of files. `merge` puts all targets into the file, as pcapng."""

    path: Path
    folder: bool = False
    merge: bool = False

    def file_of(self, target: Target) -> Path:
        """Where a target's packets go."""
        return self.path / target.file if self.folder else self.path

    def prepare(self) -> None:
        """Make the folder. Raises `UsageError` when it cannot be."""
        if self.folder:
            try:
                self.path.mkdir(exist_ok=True)
            except OSError as error:
                raise unwritable(self.path, error) from error

    def flows_of(self, target: Target) -> Path:
        """Where the flows go that Hubble saw at the same time."""
        file = self.file_of(target)
        return file.with_name(f"{file.name}.hubble.json")


def destination(given: str, targets: tuple[Target, ...], *, merge: bool, now: datetime) -> Destination:
    """Where it goes: `given`, a folder when it is one or ends with `/`, or a new name in the current folder.

    A name that ends with `.pcapng` makes that of one target, too.

    Raises:
        UsageError: several targets do not go into one file without `merge`, or it cannot be written there.
        Exists: something is there already.
    """
    several = len(targets) > 1
    name = given or f"ciliumctl-capture-{now:%Y%m%d-%H%M%S}{_NG if merge else '' if several else '.pcap'}"
    path = Path(name)
    folder = name.endswith("/") or path.is_dir() or (not given and several and not merge)
    if folder and merge:
        raise UsageError(
            f"`{name}` is a folder, and `--merge` makes one file", hint=f"`-w {name.rstrip('/')}/all.pcapng`"
        )
    if several and not folder and not merge:
        raise UsageError(
            f"{len(targets)} targets do not go into one file",
            hint=f"`-w {path.stem}/` makes a folder with one file for each, `--merge` one file of all, by time",
        )
    found = Destination(path=path, folder=folder, merge=merge or path.suffix == _NG)
    files = [file for target in targets for file in (found.file_of(target), found.flows_of(target))]
    for file in files:
        if file.exists() or file.is_symlink():
            raise Exists(f"`{file}` is there already", hint="name another one with `-w`: none is ever overwritten")
    place = path.parent if not folder or not path.exists() else path
    if not place.is_dir():
        raise UsageError(f"the folder `{place}` does not exist", hint="make it, or name another one with `-w`")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"the folder `{place}` cannot be written to", hint="name another one with `-w`")
    return found


class Merged:
    """One pcapng out of the packets of several places; each is declared before its first packet."""

    def __init__(self, write: Callable[[bytes], object], comment: str, names: dict[str, str]) -> None:
        self._write = write
        self._numbers: dict[int, int] = {}
        self._last = 0
        write(pcapng.section(comment) + pcapng.names(names))

    def declare(self, place: int, name: str, about: str, header: Header, expression: str) -> None:
        """Say what a place is."""
        self._numbers[place] = len(self._numbers)
        one = pcapng.Interface(name=name, about=about, link=header.link, snaplen=header.snaplen, filter=expression)
        self._write(pcapng.interface(one))

    def packet(self, place: int, packet: Packet) -> None:
        """Add a packet of a place."""
        self._last = max(self._last, packet.nanoseconds)
        self._write(pcapng.packet(self._numbers[place], packet))

    def end(self, place: int, received: int | None, dropped: int | None) -> None:
        """Say how many packets a place received and did not get; nothing where it was never declared."""
        if place in self._numbers and (received is not None or dropped is not None):
            block = pcapng.statistics(self._numbers[place], self._last, received=received, dropped=dropped)
            self._write(block)


def names_of(targets: tuple[Target, ...]) -> dict[str, str]:
    """What the targets' addresses are called in a merged file; a host network's address is its node's."""
    pods = [target for target in targets if target.kind == "pod" and not target.host_network]
    nodes = [target for target in targets if target.kind == "node"]
    named = [(address, target.name) for target in nodes for address in target.addresses]
    return dict(named + [(one, f"{target.namespace}/{target.name}") for target in pods for one in target.addresses])
