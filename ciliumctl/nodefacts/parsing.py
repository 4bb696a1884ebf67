"""A node's report as facts. Never fails: what is missing or unreadable is empty."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ciliumctl.nodefacts import cniconf
from ciliumctl.nodefacts.cniconf import CniFile
from ciliumctl.nodework.model import members

_OPTION = re.compile(r"CONFIG_(\w+)=([ym])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file system of the node that matters to Cilium: its place and its type."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A port that something listens on. `process` is its name, empty where the kernel or nobody known does."""

    protocol: str
    address: str
    port: int
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain of iptables. `variant` is such as `iptables-nft`."""

    variant: str
    table: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What one node said. `options` are kernel options that are on (`y`) or modules (`m`).

    `options_from` is the file that told them, empty where the kernel's configuration cannot be read; `time` is the
    node's clock, in seconds since 1970, 0 where it said none.
    """

    node: str
    time: float = 0.0
    kernel: str = ""
    machine: str = ""
    options_from: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    btf: bool = False
    mounts: tuple[Mount, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    sockets: tuple[Socket, ...] = ()
    cni_files: tuple[CniFile, ...] = ()
    cni_programs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    chains: tuple[Chain, ...] = ()
    nft_tables: tuple[str, ...] = ()
    bpf: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()

    @property
    def agent(self) -> bool:
        """Whether a Cilium agent runs there."""
        return "cilium-agent" in self.processes


def parse(node: str, answer: str) -> NodeFacts:
    """The facts in a report of `collect.sh`."""
    report = members(answer)
    time = report.get("time")
    return NodeFacts(
        node=node,
        time=float(time) if isinstance(time, int | float) and not isinstance(time, bool) else 0.0,
        kernel=_text(report, "release").strip(),
        machine=_text(report, "machine").strip(),
        options_from=_text(report, "kernel_config_file").strip() if _text(report, "kernel_config") else "",
        options=dict(_OPTION.findall(_text(report, "kernel_config"))),
        btf=_text(report, "btf").strip() == "yes",
        mounts=tuple(_mounts(report)),
        sysctls=dict(_pairs(report, "sysctls")),
        sockets=tuple(_sockets(report)),
        cni_files=tuple(_cni_files(report)),
        cni_programs=_lines(report, "cni_plugins"),
        links=_lines(report, "links"),
        chains=tuple(_chains(report)),
        nft_tables=_lines(report, "nft_tables"),
        bpf=_lines(report, "bpf"),
        rules=_lines(report, "rules"),
        routes=_lines(report, "routes"),
        paths=_lines(report, "paths"),
        processes=_lines(report, "processes"),
    )


def _text(report: Mapping[str, Any], key: str) -> str:
    value = report.get(key)
    return value if isinstance(value, str) else ""


def _lines(report: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in _text(report, key).split("\n") if line.strip())


def _pairs(report: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
    for line in _lines(report, key):
        name, _space, value = line.partition(" ")
        yield name.replace("/", "."), value.strip()


def _mounts(report: Mapping[str, Any]) -> Iterator[Mount]:
    """Lines of mountinfo: the fifth word is the place, the word after ` - ` the type (proc(5))."""
    for line in _lines(report, "mounts"):
        before, _dash, after = line.partition(" - ")
        words, kind = before.split(), after.split()
        if len(words) > 4 and kind:
            yield Mount(path=words[4], kind=kind[0])


def _sockets(report: Mapping[str, Any]) -> Iterator[Socket]:
    owners: dict[str, str] = {}
    for line in _lines(report, "socket_owners"):
        words = line.split(maxsplit=2)
        if len(words) == 3:
            owners.setdefault(words[0], words[2])
    seen: dict[Socket, None] = {}
    for line in _lines(report, "sockets"):
        words = line.split()
        at = _address(words[1]) if len(words) > 1 else None
        if at is not None:
            process = owners.get(words[2], "") if len(words) > 2 else ""
            seen[Socket(protocol=words[0], address=at[0], port=at[1], process=process)] = None
    yield from seen


def _address(text: str) -> tuple[str, int] | None:
    """The address and port of `/proc/net`: hexadecimal, each group of four bytes in this machine's order."""
    try:
        raw, port = text.split(":")
        data = bytes.fromhex(raw)
        swapped = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
        return str(ipaddress.ip_address(swapped)), int(port, 16)
    except ValueError:
        return None


def _cni_files(report: Mapping[str, Any]) -> Iterator[CniFile]:
    entries = report.get("cni_files")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            yield cniconf.parse(entry["name"], _text(entry, "text"))


def _chains(report: Mapping[str, Any]) -> Iterator[Chain]:
    for line in _lines(report, "chains"):
        words = line.split(maxsplit=2)
        if len(words) == 3:
            yield Chain(variant=words[0], table=words[1], name=words[2])
