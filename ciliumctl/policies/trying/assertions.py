"""Files of assertions: the shape is netassert's, with names, HTTP and the reason of a drop besides.

- name: the client reaches the shop
src: {k8sResource: {kind: deployment, name: client, namespace: shop}}
dst: {k8sResource: {kind: pod, name: web-1, namespace: shop}}
protocol: tcp
targetPort: 8080
exitCode: 0            # or `expect: allow`; 1, or `expect: deny`, where it must not get through
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

import yaml

from ciliumctl import yaml_files
from ciliumctl.clients.kube import dig
from ciliumctl.errors import BadFile

Expect = Literal["allow", "deny"]
KINDS = ("pod", "deployment", "statefulset", "daemonset", "service")
_FIELDS = {
    "name",
    "type",
    "protocol",
    "targetPort",
    "timeoutSeconds",
    "attempts",
    "exitCode",
    "expect",
    "src",
    "dst",
    "http",
    "dropReason",
}
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_PATH = re.compile(r"/[^\s\x00-\x1f]*")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SAID = ", ".join(_METHODS)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end: an object of the cluster by `kind`, `namespace` and `name`; or a `host`, an address or a name in DNS."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    host: str = ""

    def __str__(self) -> str:
        return self.host or f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One connection and what must become of it.

    Attributes:
        seconds: How long an answer is waited for.
        attempts: How often it is tried until it is as expected.
        method, path, status: Of an HTTP request; no method where it is only a connection, 0 for any answer below 400.
        reason: What Hubble must say about the drop, such as `POLICY_DENIED`; empty for anything.
    """

    name: str
    source: End
    destination: End
    protocol: Literal["TCP", "UDP"] = "TCP"
    port: int
    expect: Expect
    seconds: int = 5
    attempts: int = 2
    method: str = ""
    path: str = "/"
    status: int = 0
    reason: str = ""

    @property
    def asked(self) -> str:
        """In words."""
        what = f"{self.method} {self.path} over " if self.method else ""
        return f"{self.source} → {self.destination}, {what}{self.protocol}/{self.port}"


def read(text: str | bytes, file: str) -> tuple[Assertion, ...]:
    """The assertions of a file. Raises `BadFile` for the first thing that makes no sense, and says where it is."""
    try:
        found = yaml_files.parse(text)
    except yaml.YAMLError as error:
        raise BadFile(f"`{file}` is not valid YAML: {yaml_files.problem(error)}", hint="mend the file") from error
    if not isinstance(found, list) or not found:
        raise BadFile(f"`{file}` holds no list of assertions", hint="`ciliumctl policy test --help` shows one")
    made = tuple(_assertion(one, f"{file}: entry {number}") for number, one in enumerate(found, 1))
    twice = {one.name for one in made if sum(other.name == one.name for other in made) > 1}
    if twice:
        raise BadFile(f"`{file}` has two assertions called `{min(twice)}`", hint="give each a name of its own")
    return made


def _assertion(entry: Any, where: str) -> Assertion:
    if not isinstance(entry, Mapping):
        raise BadFile(f"{where} is no assertion", hint="write `- name: …` and its fields")
    _known(entry, _FIELDS, where)
    name = str(entry.get("name") or "")
    if not name:
        raise BadFile(f"{where} has no `name`", hint="give it one: reports go by it")
    where = f"{where} (`{name}`)"
    if entry.get("type", "k8s") != "k8s":
        raise BadFile(f"{where}: `type` is `{entry['type']}`, and only `k8s` is known", hint="leave it out")
    http: Mapping[str, Any] = dig(entry, "http", default={})
    _known(http, {"method", "path", "status"}, f"{where}: `http`")
    protocol = str(entry.get("protocol", "tcp")).upper()
    if protocol not in {"TCP", "UDP"}:
        raise BadFile(f"{where}: `protocol` is `{entry['protocol']}`", hint="write tcp or udp")
    if http and protocol == "UDP":
        raise BadFile(f"{where}: HTTP goes over TCP", hint="leave `protocol` out")
    source, destination = _end(entry.get("src"), f"{where}: `src`"), _end(entry.get("dst"), f"{where}: `dst`")
    if source.host or source.kind == "service":
        raise BadFile(f"{where}: `src` must be a pod, or what has pods", hint="write `k8sResource: {kind: pod, …}`")
    path, method = str(http.get("path", "/")), str(http.get("method", "GET")).upper() if http else ""
    if http and (not _PATH.fullmatch(path) or method not in _METHODS):
        raise BadFile(
            f"{where}: `http` asks for `{method} {path}`", hint=f"a path starts with /; {', '.join(_METHODS)}"
        )
    expect = _expected(entry, where)
    reason = str(entry.get("dropReason") or "").upper()
    if reason and expect == "allow":
        raise BadFile(f"{where}: nothing is dropped where it must get through", hint="leave `dropReason` out")
    return Assertion(
        name=name,
        source=source,
        destination=destination,
        protocol="UDP" if protocol == "UDP" else "TCP",
        port=_number(entry, "targetPort", where, 1, 65535),
        expect=expect,
        seconds=_number(entry, "timeoutSeconds", where, 1, 300, 5),
        attempts=_number(entry, "attempts", where, 1, 20, 2),
        method=method,
        path=path,
        status=_number(http, "status", where, 100, 599, 0) if http else 0,
        reason=reason,
    )


def _known(entry: Mapping[str, Any], fields: Iterable[str], where: str) -> None:
    for key in entry:
        if key not in fields:
            near = difflib.get_close_matches(str(key), list(fields), n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(fields))}"
            raise BadFile(f"{where} has an unknown field `{key}`", hint=hint)


def _expected(entry: Mapping[str, Any], where: str) -> Expect:
    given = {key: entry[key] for key in ("expect", "exitCode") if key in entry}
    words: Mapping[Any, Expect] = {"allow": "allow", "deny": "deny"}
    codes: Mapping[Any, Expect] = {0: "allow", 1: "deny"}
    meant = {words.get(value) if key == "expect" else codes.get(value) for key, value in given.items()}
    if len(meant) != 1 or None in meant:
        raise BadFile(
            f"{where} does not say what must become of it",
            hint="write `expect: allow` or `expect: deny` (netassert's `exitCode: 0` or `1`)",
        )
    return "allow" if "allow" in meant else "deny"


def _end(entry: Any, where: str) -> End:
    if not isinstance(entry, Mapping):
        raise BadFile(f"{where} is missing", hint="write `k8sResource`, `host` or `fqdn`")
    _known(entry, {"k8sResource", "host", "fqdn"}, where)
    if len(entry) != 1:
        raise BadFile(f"{where} names {len(entry)} things", hint="write one of `k8sResource`, `host` and `fqdn`")
    if "k8sResource" in entry:
        resource: Mapping[str, Any] = dig(entry, "k8sResource", default={})
        _known(resource, {"kind", "name", "namespace", "clone"}, where)
        kind, name = str(resource.get("kind", "")).lower(), str(resource.get("name") or "")
        if kind not in KINDS or not name:
            raise BadFile(
                f"{where} names no `{kind or 'kind'}`", hint=f"kinds are {', '.join(KINDS)}; `name` is needed"
            )
        return End(kind=kind, namespace=str(resource.get("namespace") or "default"), name=name)
    host = entry["fqdn"] if "fqdn" in entry else dig(entry, "host", "name") or entry["host"]
    if not isinstance(host, str) or not _is_host(host):
        raise BadFile(f"{where}: `{host}` is no address and no name", hint="write `host: {name: 192.0.2.1}`")
    return End(host=host)


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None
    return True


def _number(entry: Mapping[str, Any], key: str, where: str, least: int, most: int, default: int | None = None) -> int:
    value = entry.get(key, default)
    if value == default and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadFile(f"{where}: `{key}` is `{value}`", hint=f"write a whole number from {least} to {most}")
    return value
