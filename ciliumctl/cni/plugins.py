"""One plugin of a configuration against what it reads: its keys, their types, its place in the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from ciliumctl import templates
from ciliumctl.cni.positions import Path

if TYPE_CHECKING:
    from ciliumctl.cni.linting import Problem

#: Keys that every plugin may have, by the specification.
_COMMON = {"type", "capabilities", "ipam", "dns", "args"}
#: Keys of the network, which a file of one plugin has beside the plugin's.
_NETWORK = {"cniVersion", "cniVersions", "name", "disableCheck", "disableGC", "loadOnlyInlinedPlugins"}
#: What the runtime puts in when it calls a plugin.
_RUNTIME = ("runtimeConfig", "prevResult", "cni.dev/valid-attachments", "cni.dev/attachments")
#: The capabilities that the conventions know (https://www.cni.dev/docs/conventions/).
_CAPABILITIES = (
    "portMappings",
    "ipRanges",
    "bandwidth",
    "dns",
    "ips",
    "mac",
    "infinibandGUID",
    "deviceID",
    "aliases",
    "cgroupPath",
    "io.kubernetes.cri.pod-annotations",
)
_TYPES: Mapping[str, tuple[type, str]] = {
    "text": (str, "a text"),
    "boolean": (bool, "true or false"),
    "number": (int, "a whole number"),
    "list": (list, "a list"),
    "map": (dict, "an object"),
}


@cache
def known() -> Mapping[str, Mapping[str, Any]]:
    """What is known of plugins, by their names."""
    found: Mapping[str, Mapping[str, Any]] = templates.load("cni/plugins.yaml")
    return found


def does(kind: str) -> str:
    """`interface`, `meta`, `ipam`, or empty for a plugin that nobody here knows."""
    return str(known().get(kind, {}).get("does", ""))


def check(
    plugin: Mapping[str, Any], path: Path, *, first: bool, programs: Sequence[str] | None, whole: bool = False
) -> Iterator[Problem]:
    """What is wrong with one plugin. `whole` says that the file is this plugin and no list of them."""
    kind = plugin.get("type")
    if not isinstance(kind, str) or not kind:
        yield "CNI202", "error", (*path, "type"), "the plugin has no `type`", "it is the name of its program"
        return
    if "/" in kind:
        text = f"`{kind[:40]}` is no program's name"
        yield "CNI203", "error", (*path, "type"), text, "leave the folder out"
        return
    yield from _there(kind, (*path, "type"), programs)
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and isinstance(ipam.get("type"), str):
        yield from _there(ipam["type"], (*path, "ipam", "type"), programs)
    yield from _capabilities(plugin, path)
    for key in _RUNTIME:
        if key in plugin:
            yield "CNI212", "error", (*path, key), "the runtime fills this in", "leave it out"
    entry = known().get(kind)
    if entry is not None:
        yield from _place(kind, entry, path, first=first)
        yield from _needs(plugin, kind, entry, path)
        if not entry.get("open") and entry["does"] != "ipam":
            yield from _keys(plugin, kind, entry["keys"], path, whole=whole)


def _there(kind: str, path: Path, programs: Sequence[str] | None) -> Iterator[Problem]:
    if programs is not None and kind not in programs:
        yield "CNI213", "error", path, f"the program `{kind}` is not there", ""


def _place(kind: str, entry: Mapping[str, Any], path: Path, *, first: bool) -> Iterator[Problem]:
    if entry["does"] == "ipam":
        text = f"`{kind}` hands out addresses to other plugins"
        yield "CNI206", "error", (*path, "type"), text, "name it in the `ipam` of a plugin that makes an interface"
    elif entry["does"] == "meta" and first:
        text = f"`{kind}` changes what plugins before it made, and there is none"
        yield "CNI204", "error", (*path, "type"), text, "put it behind the plugin that makes the interface"


def _capabilities(plugin: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    given = plugin.get("capabilities")
    if given is None:
        return
    if not isinstance(given, dict):
        yield "CNI209", "error", (*path, "capabilities"), "it is not an object", ""
        return
    for name, on in given.items():
        if not isinstance(on, bool):
            yield "CNI209", "error", (*path, "capabilities", name), "it is not true or false", ""
        if name not in _CAPABILITIES:
            near = get_close_matches(name, _CAPABILITIES, n=1)
            advice = f"it may be meant to be `{near[0]}`" if near else ""
            text = "no convention knows this capability: only a runtime of its own fills it in"
            yield "CNI210", "warning" if near else "info", (*path, "capabilities", name), text, advice


def _needs(plugin: Mapping[str, Any], kind: str, entry: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for key in entry.get("needs", ()):
        if key not in plugin:
            yield "CNI208", "error", path, f"`{kind}` needs `{key}`", ""
    choice = entry.get("one-of", ())
    given = [key for key in choice if plugin.get(key)]
    if choice and len(given) != 1:
        names = ", ".join(f"`{key}`" for key in choice)
        yield "CNI208", "error", path, f"`{kind}` needs one of {names}, and has {len(given) or 'none'}", ""
    capability = entry.get("capability", "")
    declared = plugin.get("capabilities")
    if capability and not (isinstance(declared, dict) and declared.get(capability) is True):
        if any(key in plugin for key in entry.get("instead", ())):
            return
        what = "host ports of pods" if capability == "portMappings" else "what pods ask for"
        text = f"`{kind}` declares no `{capability}`: {what} are passed over without a word"
        yield "CNI207", "warning", path, text, f'write `"capabilities": {{"{capability}": true}}`'


def _keys(
    plugin: Mapping[str, Any], kind: str, keys: Mapping[str, Any], path: Path, *, whole: bool
) -> Iterator[Problem]:
    passed = {*_COMMON, *_RUNTIME, *(_NETWORK if whole else ())}
    # Plugins written in Go read `isgateway` as `isGateway`.
    read = {key.lower(): wanted for key, wanted in keys.items()}
    ignored = {key.lower() for key in passed}
    for key, value in plugin.items():
        if key.lower() in read:
            yield from _value(value, read[key.lower()], kind, (*path, key))
        elif key.lower() not in ignored:
            near = get_close_matches(key, [*keys, *passed], n=1)
            advice = f"it may be meant to be `{near[0]}`" if near else ""
            yield "CNI210", "warning", (*path, key), f"`{kind}` does not read this key", advice


def _value(value: Any, wanted: str | Sequence[str], kind: str, path: Path) -> Iterator[Problem]:
    if not isinstance(wanted, str):
        # An empty text is as good as none, for plugins written in Go.
        if not isinstance(value, str):
            yield "CNI209", "error", path, "it is not a text", ""
        elif value and value not in wanted:
            near = get_close_matches(value, wanted, n=1)
            advice = f"it may be meant to be `{near[0]}`" if near else f"it is one of {', '.join(wanted)}"
            yield "CNI211", "error", path, f"`{kind}` does not know `{value[:40]}`", advice
        return
    types, words = _TYPES[wanted]
    if not isinstance(value, types) or (wanted == "number" and isinstance(value, bool)):
        yield "CNI209", "error", path, f"it is not {words}", ""
