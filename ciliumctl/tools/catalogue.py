"""The programs that we can fetch, as `templates/tools.yaml` describes them."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from ciliumctl import templates
from ciliumctl.errors import Missing, UsageError

SYSTEMS = ("linux", "darwin", "windows")
MACHINES = ("amd64", "arm64")
_MACHINE_NAMES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64"}
_SYSTEM_NAMES = {"win32": "windows", "cygwin": "windows", "macos": "darwin", "osx": "darwin"}
# A Go version such as `go1.26.8`, or a part of a longer number, is not a program's version.
_VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?)(?![\d.]*\d)")
_EXACT = re.compile(r"v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and a processor, by Go's names."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"

    @property
    def suffix(self) -> str:
        """What programs end in there."""
        return ".exe" if self.os == "windows" else ""


def here() -> Platform:
    """This machine. Raises `Missing` when nobody publishes for it."""
    machine = platform.machine().lower()
    mine = Platform(_SYSTEM_NAMES.get(sys.platform, sys.platform), _MACHINE_NAMES.get(machine, machine))
    if mine.os not in SYSTEMS or mine.arch not in MACHINES:
        raise Missing(f"nothing is published for `{mine}`", hint="name another platform with `--os` and `--arch`")
    return mine


def platform_of(os: str, arch: str) -> Platform:
    """The platform for `--os` and `--arch`, this machine's where one is empty. Raises `UsageError`."""
    mine = here() if not (os and arch) else Platform(os, arch)
    wanted = Platform(_SYSTEM_NAMES.get(os, os) or mine.os, _MACHINE_NAMES.get(arch, arch) or mine.arch)
    if wanted.os not in SYSTEMS or wanted.arch not in MACHINES:
        raise UsageError(
            f"nothing is published for `{wanted}`",
            hint=f"--os is one of {', '.join(SYSTEMS)}, --arch one of {', '.join(MACHINES)}",
        )
    return wanted


def exact_version(text: str) -> str:
    """The version that `text` is and nothing else, without its `v`; empty when it is none."""
    match = _EXACT.fullmatch(text.strip())
    return match[1] if match else ""


def version_in(text: str) -> str:
    """The first version that a program's own words name, without its `v`; empty when there is none."""
    match = _VERSION.search(text)
    return match[1] if match else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A Go module to build programs from; the data file says what each field is for."""

    name: str
    version: str
    sum: str
    staging: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program; the data file says what each field is for. `package` is its Go package in `module`."""

    name: str
    program: str
    about: str
    use: Literal["install", "lab", "tests"]
    source: str
    version: str
    base: str
    asset: str
    platforms: tuple[str, ...]
    ask: tuple[str, ...]
    minimum: str = ""
    stable: str = ""
    checksums: str = ""
    member: str = ""
    zip: tuple[str, ...] = ()
    sha256: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    module: Module | None = None
    package: str = ""

    def _filled(self, form: str, version: str, where: Platform) -> str:
        archive = "zip" if where.os in self.zip else "tar.gz"
        return form.format(version=version, os=where.os, arch=where.arch, archive=archive, exe=where.suffix)

    def address(self, version: str, where: Platform, base: str = "") -> str:
        """Where the published file is; `base` stands for all before the version, as a mirror has it."""
        return f"{(base or self.base).rstrip('/')}/{self._filled(self.asset, version, where)}"

    def checksum_address(self, version: str, where: Platform, base: str = "") -> str:
        """Where the publisher's checksum of it is; empty when there is none."""
        if not self.checksums:
            return ""
        return f"{(base or self.base).rstrip('/')}/{self._filled(self.checksums, version, where)}"

    def file_name(self, version: str, where: Platform) -> str:
        """The published file's name."""
        return self._filled(self.asset, version, where).rsplit("/", 1)[-1]

    def member_of(self, version: str, where: Platform) -> str:
        """The program's name in the archive; empty when the published file is the program itself."""
        return self._filled(self.member, version, where)

    def pinned_sum(self, version: str, where: Platform) -> str:
        """The SHA-256 that we know for the published file; empty when we know none."""
        return self.sha256.get(version, {}).get(str(where), "")

    def check(self, where: Platform) -> None:
        """Raises `UsageError` when it is not published for the platform."""
        if str(where) not in self.platforms:
            raise UsageError(
                f"{self.name} is not published for `{where}`", hint=f"it is for {', '.join(self.platforms)}"
            )

    @property
    def mirror_variable(self) -> str:
        """The environment variable that names a mirror, such as `CILIUMCTL_HELM_BASE_URL`."""
        return f"CILIUMCTL_{self.source.upper()}_BASE_URL"

    def base_from(self, environ: Mapping[str, str]) -> str:
        """The mirror that the environment names; empty for the official site."""
        return environ.get(self.mirror_variable, "")


@cache
def load() -> dict[str, Tool]:
    """All tools by name."""
    data = templates.load("tools.yaml")
    modules = {name: Module(name=name, **entry) for name, entry in data["modules"].items()}
    return {name: _tool(name, dict(entry), modules) for name, entry in data["tools"].items()}


def _tool(name: str, entry: dict[str, Any], modules: Mapping[str, Module]) -> Tool:
    go = entry.pop("go", {})
    entry = {"program": name, "source": name, **entry}
    for several in ("platforms", "ask", "zip"):
        entry[several] = tuple(entry.get(several, ()))
    return Tool(name=name, module=modules.get(go.get("module", "")), package=go.get("package", ""), **entry)


def tool(name: str) -> Tool:
    """One tool. Raises `UsageError`."""
    known = load()
    if name not in known:
        names = ", ".join(entry.name for entry in known.values() if entry.use != "tests")
        raise UsageError(f"`{name}` is no program that can be installed", hint=f"one of {names}")
    return known[name]
