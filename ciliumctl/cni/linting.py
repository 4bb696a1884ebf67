"""Check CNI configurations against the specification, and against what their plugins read. Pure: text in, findings out.

Source: the specification (https://www.cni.dev/docs/spec/, 1.1.0), its reference library for what runtimes do with files
(`github.com/containernetworking/cni/libcni`), the plugins' own pages for their keys (`templates/cni/plugins.yaml`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ciliumctl.cni import addressing, plugins
from ciliumctl.cni.positions import Path, positions
from ciliumctl.findings import FailOn, Finding, Severity, fails, ordered
from ciliumctl.nodefacts import cniconf
from ciliumctl.versioning import numbers

#: A problem before it has a place: code, severity, path in the file, message, advice.
Problem = tuple[str, Severity, Path, str, str]

_SINCE = {
    "disableCheck": ("0.4.0", bool),
    "cniVersions": ("1.1.0", list),
    "disableGC": ("1.1.0", bool),
    "loadOnlyInlinedPlugins": ("1.1.0", bool),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to check. `name` is what people know it by; `listed` says that it was found in a folder of such files."""

    name: str
    content: bytes
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CniLint:
    """What is wrong with CNI configurations. `used` is the file that runtimes take, of those of a folder."""

    kind: ClassVar[str] = "CniLint"

    files: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    used: str = ""
    fail_on: FailOn = "error"

    @property
    def ok(self) -> bool:
        """Whether no finding is as grave as `fail_on`."""
        return not fails(self.findings, self.fail_on)


def lint(sources: Sequence[Source], *, fail_on: FailOn = "error", programs: Sequence[str] | None = None) -> CniLint:
    """Check files. `programs` are the names of the plugins that are there, when somebody knows them. Never fails."""
    found = [finding for source in sources for finding in check(source, programs)]
    listed = [source for source in sources if source.listed]
    used = ""
    if listed:
        read = [cniconf.parse(_base(source.name), _text(source)) for source in listed]
        first = cniconf.active(read)
        used = next((one.name for one in listed if first is not None and _base(one.name) == first.file), "")
        found += _of_folder(listed, read, used)
    return CniLint(files=tuple(source.name for source in sources), findings=ordered(found), used=used, fail_on=fail_on)


def _of_folder(listed: Sequence[Source], read: Sequence[cniconf.CniFile], used: str) -> Iterator[Finding]:
    if not used:
        yield Finding(
            code="CNI403",
            severity="error",
            message="no file here can be loaded: the node stays `NotReady`",
            file=listed[0].name,
        )
        return
    yield Finding(code="CNI402", severity="info", message="runtimes take this file, the first by name", file=used)
    seen: dict[str, str] = {}
    for source, one in sorted(zip(listed, read, strict=True), key=lambda pair: pair[1].file):
        if not one.considered or not one.network:
            continue
        if one.network in seen:
            message = f"the network `{one.network}` is in `{_base(seen[one.network])}`, too"
            yield Finding(code="CNI401", severity="warning", message=message, subject="name", file=source.name)
        seen.setdefault(one.network, source.name)


def check(source: Source, programs: Sequence[str] | None = None) -> tuple[Finding, ...]:
    """What is wrong with one file."""
    text = _text(source)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return (_whole(source, "CNI001", f"it is no JSON: {error.msg} in column {error.colno}", error.lineno),)
    except (ValueError, RecursionError):
        return (_whole(source, "CNI001", "it is no JSON that anybody reads: nested too deep, or a number too long"),)
    if not isinstance(content, dict):
        return (_whole(source, "CNI002", "it is no JSON object", 1),)
    where = positions(text)
    twice: list[Problem] = [("CNI003", "error", path, "this key is there twice", "") for path in where.twice]
    return tuple(
        Finding(
            code=code,
            severity=severity,
            message=message,
            subject=_shown(path),
            advice=advice,
            file=source.name,
            line=where.line(path),
        )
        for code, severity, path, message, advice in (*_name(source, content), *twice, *_network(content, programs))
    )


def _whole(source: Source, code: str, message: str, line: int = 0) -> Finding:
    return Finding(code=code, severity="error", message=message, file=source.name, line=line)


def _text(source: Source) -> str:
    return source.content.decode("utf-8-sig", "replace")


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _shown(path: Path) -> str:
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown


def _name(source: Source, content: Mapping[str, Any]) -> Iterator[Problem]:
    name = _base(source.name)
    if name == "-":
        return
    if not name.endswith(cniconf.ENDINGS):
        severity: Severity = "warning" if not name.endswith(cniconf.BACKUP) else "info"
        yield "CNI004", severity, (), f"runtimes pass over `{name}`", "name it `NN-NAME.conflist`"
    elif isinstance(content.get("plugins"), list) and not name.endswith(".conflist"):
        yield "CNI004", "error", (), "a list of plugins is read from `.conflist` only", "name it `NN-NAME.conflist`"
    elif name.endswith(".conflist") and "plugins" not in content and "type" in content:
        yield "CNI004", "error", (), "one plugin is read from `.conf` or `.json` only", "put it into `plugins`"


def _network(content: Mapping[str, Any], programs: Sequence[str] | None) -> Iterator[Problem]:
    yield from _identity(content)
    version = content.get("cniVersion")
    known = version if isinstance(version, str) and version in cniconf.VERSIONS else "0.1.0"
    for key, (since, kind) in _SINCE.items():
        if key not in content:
            continue
        if numbers(known) < numbers(since):
            text = f"it only means something since version {since}, and this is {known}"
            yield "CNI103", "warning", (key,), text, f"write `cniVersion: {since}`"
        if not isinstance(content[key], kind):
            yield "CNI209", "error", (key,), f"it is not {'a list' if kind is list else 'true or false'}", ""
    if "plugins" in content or "type" not in content:
        yield from _chain(content, programs)
    else:
        if numbers(known) >= numbers("1.0.0"):
            text = f"version {known} knows lists of plugins only; runtimes still read this"
            yield "CNI106", "warning", ("type",), text, "put it into `plugins`, in a `.conflist`"
        yield from plugins.check(content, (), first=True, programs=programs, whole=True)
        yield from addressing.check(content, ())


def _identity(content: Mapping[str, Any]) -> Iterator[Problem]:
    name, version = content.get("name"), content.get("cniVersion")
    if not isinstance(name, str) or not name:
        yield "CNI104", "error", ("name",), "the network has no name", "give it one, such as `pods`"
    elif not cniconf.NAME.fullmatch(name):
        yield "CNI105", "error", ("name",), f"`{name[:40]}` is no name: letters, digits, `_`, `.` and `-`", ""
    if version is None or version == "":
        text = "there is no `cniVersion`: the file is read as version 0.1.0"
        yield "CNI101", "warning", ("cniVersion",), text, 'write `"cniVersion": "1.0.0"`'
    elif not isinstance(version, str):
        yield "CNI209", "error", ("cniVersion",), "it is no text", f'write `"cniVersion": "{version}"`'
    elif version not in cniconf.VERSIONS:
        text = f"version `{version[:20]}` was never released"
        yield "CNI102", "error", ("cniVersion",), text, f"it is one of {', '.join(cniconf.VERSIONS)}"
    for number, one in enumerate(_list(content.get("cniVersions"))):
        if one not in cniconf.VERSIONS:
            yield "CNI102", "error", ("cniVersions", number), f"version `{str(one)[:20]}` was never released", ""


def _chain(content: Mapping[str, Any], programs: Sequence[str] | None) -> Iterator[Problem]:
    chain = content.get("plugins")
    if not isinstance(chain, list) or not chain:
        # With 1.1 the plugins may stand in files of a folder that is named as the network.
        if content.get("loadOnlyInlinedPlugins") is False and "plugins" not in content:
            return
        text = "there is no list with at least one plugin"
        yield "CNI201", "error", ("plugins",), text, "a plugin is an object with a `type`"
        return
    made = ""
    for number, plugin in enumerate(chain):
        path: Path = ("plugins", number)
        if not isinstance(plugin, dict):
            yield "CNI202", "error", path, "it is no object with a `type`", ""
            continue
        yield from plugins.check(plugin, path, first=number == 0, programs=programs)
        yield from addressing.check(plugin, path)
        kind = str(plugin.get("type"))
        if plugins.does(kind) != "interface":
            continue
        if made:
            text = f"`{kind}` makes an interface, and `{made}` did already"
            yield "CNI205", "warning", (*path, "type"), text, ""
        made = made or kind


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
