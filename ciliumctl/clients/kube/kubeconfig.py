"""Find and read the kubeconfig as kubectl does, and turn one context of it into credentials.

The `kubernetes` package does the TLS files and the proxy. Three things it gets wrong are done here: `as` and
`as-groups` are ignored there, a failed exec plugin leaves an anonymous client, and of several files the last one
decides the current context (kubectl: the first).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from ciliumctl import yaml_files
from ciliumctl.errors import CredentialPlugin, NoKubeconfig, UnknownContext, UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLUGIN_TIMEOUT = 60.0
_EARLY = 30.0
_TOKEN_FILE_AGE = 60.0
_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """How to reach a cluster and as whom; empty means what the kubeconfig says."""

    kubeconfig: str = ""
    context: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One context of a kubeconfig with the cluster and the user it names."""

    name: str
    cluster_name: str
    namespace: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    user_name: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""
    as_extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def files(explicit: str, environ: Mapping[str, str]) -> list[Path]:
    """The kubeconfig files to read, first one first.

    Raises:
        NoKubeconfig: the file that was asked for does not exist.
    """
    if explicit:
        path = Path(explicit).expanduser()
        if not path.is_file():
            raise NoKubeconfig(
                f"the kubeconfig `{explicit}` does not exist", hint="check `--kubeconfig` (or `KUBECONFIG`)"
            )
        return [path]
    listed = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part.strip()]
    candidates = listed or [Path.home() / ".kube" / "config"]
    return [path for path in candidates if path.is_file()]


def in_cluster(environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Context | None:
    """The context of the pod that we run in, or `None` outside of one."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (folder / "token").is_file():
        return None
    address = f"[{host}]" if ":" in host else host
    namespace = folder / "namespace"
    return Context(
        name="in-cluster",
        cluster_name="",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        cluster={"server": f"https://{address}:{port}", "certificate-authority": str(folder / "ca.crt")},
        user={"tokenFile": str(folder / "token")},
    )


def load(options: ConnectOptions, environ: Mapping[str, str]) -> Context:
    """The context to use: from the kubeconfig, else from the pod we run in.

    Raises:
        NoKubeconfig: there is neither, or a file is not a kubeconfig.
        UnknownContext: the context, or the cluster or user it names, is not there.
    """
    paths = files(options.kubeconfig, environ)
    context = _from_files(paths, options.context) if paths else in_cluster(environ)
    if context is not None and options.context not in {"", context.name}:
        raise UnknownContext(
            f"there is no kubeconfig, so no context `{options.context}`: only the cluster of this pod",
            hint="leave `--context` out, or point `--kubeconfig` at a file",
        )
    if context is None:
        raise NoKubeconfig(
            "there is no kubeconfig: neither `--kubeconfig`, nor `KUBECONFIG`, nor `~/.kube/config`",
            hint="point `--kubeconfig` at one, or start a throwaway cluster: `ciliumctl lab up`",
        )
    if not options.as_user and options.as_groups:
        raise UsageError("`--as-group` needs `--as`", hint="add `--as USER`")
    if options.as_user:
        return replace(context, as_user=options.as_user, as_groups=options.as_groups, as_uid="", as_extra={})
    return context


def _from_files(paths: list[Path], wanted: str) -> Context:
    entries: dict[str, dict[str, Mapping[str, Any]]] = {"contexts": {}, "clusters": {}, "users": {}}
    current = ""
    for path in paths:
        config = _read(path)
        current = current or str(config.get("current-context") or "")
        for section, found in entries.items():
            for name, value in _named(config, section, path):
                found.setdefault(name, value)
    name = wanted or current
    where = ", ".join(f"`{path}`" for path in paths)
    if not name:
        raise UnknownContext(
            f"{where} names no current context",
            hint="choose one with `--context`: `kubectl config get-contexts` lists them",
        )
    if name not in entries["contexts"]:
        known = ", ".join(f"`{known}`" for known in sorted(entries["contexts"])[:10]) or "none"
        raise UnknownContext(f"{where} has no context `{name}`", hint=f"known contexts: {known}")
    context = entries["contexts"][name]
    cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
    for section, key in (("clusters", cluster_name), ("users", user_name)):
        if key and key not in entries[section]:
            raise UnknownContext(
                f"context `{name}` names the {section[:-1]} `{key}`, which {where} does not have",
                hint="fetch a new kubeconfig",
            )
    user = entries["users"].get(user_name, {})
    return Context(
        name=name,
        cluster_name=cluster_name,
        namespace=str(context.get("namespace") or "default"),
        cluster=entries["clusters"].get(cluster_name, {}),
        user=user,
        user_name=user_name,
        as_user=str(user.get("as") or ""),
        as_groups=tuple(user.get("as-groups") or ()),
        as_uid=str(user.get("as-uid") or ""),
        as_extra={key: tuple(values) for key, values in (user.get("as-user-extra") or {}).items()},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml_files.parse(path.read_bytes())
    except OSError as error:
        raise NoKubeconfig(
            f"the kubeconfig `{path}` cannot be read: {error.strerror}", hint="check who may read it"
        ) from error
    except yaml.YAMLError as error:
        raise NoKubeconfig(
            f"`{path}` is not a kubeconfig: {yaml_files.problem(error)}", hint="fetch a new kubeconfig"
        ) from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not ({"clusters", "contexts", "users", "kind"} & config.keys()):
        raise NoKubeconfig(f"`{path}` is not a kubeconfig", hint="check `--kubeconfig` (or `KUBECONFIG`)")
    return config


def _named(config: dict[str, Any], section: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The entries of one section by name, their relative paths made absolute from the file's folder."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for entry in config.get(section) or []:
        value = entry.get(section[:-1]) if isinstance(entry, dict) else None
        if not isinstance(value, dict) or not isinstance(entry.get("name"), str):
            continue
        absolute = dict(value)
        for key in _PATH_KEYS:
            if absolute.get(key):
                absolute[key] = str(path.parent / Path(str(absolute[key])).expanduser())
        plugin = absolute.get("exec")
        if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
            command = str(path.parent / Path(str(plugin["command"])).expanduser())
            absolute["exec"] = {**plugin, "command": command}
        found.append((entry["name"], absolute))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What proves who we are until `expires` (Unix seconds, `None` for never)."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: float | None = None


class Renewable:
    """A credential that is fetched again before it expires; safe to use from several threads."""

    def __init__(self, fetch: Callable[[], Credential], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Credential | None = None

    def current(self) -> Credential:
        """The credential to use now."""
        with self._lock:
            credential = self._current
            expires = credential.expires if credential else None
            if credential is None or (expires is not None and expires - _EARLY <= self._clock()):
                credential = self._current = self._fetch()
            return credential

    def renew(self) -> None:
        """Fetch the credential anew at the next use: the server did not accept it."""
        with self._lock:
            self._current = None


def token_file(path: str, clock: Callable[[], float] = time.time) -> Renewable:
    """The token in a file, read again every minute as kubectl does: kubelets rotate it."""

    def fetch() -> Credential:
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NoKubeconfig(
                f"the token file `{path}` cannot be read: {error.strerror}",
                hint="check the kubeconfig's user",
            ) from error
        return Credential(token=token, expires=clock() + _TOKEN_FILE_AGE + _EARLY)

    return Renewable(fetch, clock)


def exec_plugin(
    plugin: Mapping[str, Any],
    cluster: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    timeout: float = PLUGIN_TIMEOUT,
) -> Renewable:
    """What an exec plugin says (`client.authentication.k8s.io`), run again when its answer expires."""
    return Renewable(lambda: _run_plugin(plugin, cluster, environ, timeout))


def _run_plugin(
    plugin: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str], timeout: float
) -> Credential:
    command = str(plugin.get("command") or "")
    argv = [command, *(str(argument) for argument in plugin.get("args") or [])]
    mode = plugin.get("interactiveMode") or "IfAvailable"
    terminal = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise CredentialPlugin(
            f"the credential plugin `{command}` needs a terminal", hint="run the command from a terminal"
        )
    spec: dict[str, Any] = {"interactive": terminal}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    info = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    env = {**environ, **{str(item["name"]): str(item["value"]) for item in plugin.get("env") or []}}
    env["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    try:
        done = subprocess.run(
            argv,
            check=False,
            env=env,
            timeout=None if terminal else timeout,
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if terminal else subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise CredentialPlugin(
            f"the credential plugin `{command}` of the kubeconfig is not installed",
            hint=str(plugin.get("installHint") or "").strip() or f"install `{command}`, or use another context",
        ) from error
    except OSError as error:
        raise CredentialPlugin(
            f"the credential plugin `{command}` cannot be run: {error.strerror}", hint="check its file mode"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CredentialPlugin(
            f"the credential plugin `{command}` gave no answer in {timeout:.0f} s",
            hint="run it by hand to see what it waits for",
        ) from error
    said = (done.stderr or b"").decode("utf-8", "replace").strip()
    if done.returncode:
        raise CredentialPlugin(
            f"the credential plugin `{command}` failed with exit code {done.returncode}",
            hint="log in again, then run the command again",
            detail=said,
        )
    return _parse_answer(command, done.stdout)


def _cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    keys = (
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority-data",
        "proxy-url",
    )
    info = {key: cluster[key] for key in keys if key in cluster}
    for extension in cluster.get("extensions") or []:
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _parse_answer(command: str, stdout: bytes) -> Credential:
    try:
        status = json.loads(stdout)["status"]
        token, certificate = status.get("token") or "", status.get("clientCertificateData") or ""
        key, expires = status.get("clientKeyData") or "", status.get("expirationTimestamp")
        moment = datetime.fromisoformat(expires).astimezone(UTC).timestamp() if expires else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CredentialPlugin(
            f"the credential plugin `{command}` did not answer with an ExecCredential",
            hint="run it by hand and look at what it prints",
        ) from error
    if not token and not (certificate and key):
        raise CredentialPlugin(
            f"the credential plugin `{command}` answered without a token or a certificate",
            hint="log in again, then run the command again",
        )
    return Credential(token=token, certificate=certificate, key=key, expires=moment)
