"""Turn what the libraries below raise, and what the API server answers, into our errors."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
import urllib3.exceptions
import websocket

from ciliumctl.errors import (
    ApiFailed,
    CiliumctlError,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TlsFailed,
    Unauthorized,
    Unreachable,
)


class Expired(ApiFailed):
    """A list grew too old to be continued (410); `token` continues it without one moment for all pages."""

    def __init__(self, message: str, *, token: str) -> None:
        super().__init__(message, hint="run the command again")
        self.token = token


class Busy(ApiFailed):
    """Not now (429): the server has too much to do, or a PodDisruptionBudget keeps a pod from being evicted."""


_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) (?:resource|path) "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
#: What begins with the GET of a websocket.
_BY_WEBSOCKET = re.compile(r"/pods/[^/]+/(?P<what>exec|attach)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes, in the words of an error message."""

    host: str
    context: str

    def __str__(self) -> str:
        where = f" of context `{self.context}`" if self.context else ""
        return f"the API server `{self.host}`{where}"


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Raise our errors in place of the libraries' own."""
    try:
        yield
    except CiliumctlError:
        raise
    except (
        urllib3.exceptions.HTTPError,
        websocket.WebSocketException,
        OSError,
        UnicodeError,
    ) as error:
        raise connection_error(target, error) from error


def connection_error(target: Target, error: Exception) -> ClusterError:
    """Say why nothing, or no API server, answers."""
    cause: BaseException | object = error
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        cause = error.reason
    if isinstance(cause, urllib3.exceptions.ProxyError):
        return Unreachable(
            f"the proxy in front of {target} does not answer: {_reason(cause)}",
            hint="check `proxy-url` in the kubeconfig, `HTTPS_PROXY` and `NO_PROXY`",
        )
    if isinstance(cause, urllib3.exceptions.SSLError | ssl.SSLError):
        return tls_error(target, str(cause))
    if isinstance(cause, urllib3.exceptions.NameResolutionError | socket.gaierror | UnicodeError):
        return Unreachable(
            f"the name of {target} cannot be resolved",
            hint="check the `server` of the context in the kubeconfig, and this machine's DNS and VPN",
        )
    if isinstance(cause, urllib3.exceptions.NewConnectionError) and "refused" in str(cause):
        return _refused(target)
    if isinstance(cause, ConnectionRefusedError):
        return _refused(target)
    if isinstance(cause, urllib3.exceptions.TimeoutError | TimeoutError | websocket.WebSocketTimeoutException):
        return Unreachable(
            f"{target} did not answer in time",
            hint="check the network, or raise `--request-timeout`",
        )
    if isinstance(cause, websocket.WebSocketConnectionClosedException):
        return ApiFailed(f"the connection to {target} was cut", hint="run the command again")
    return Unreachable(
        f"{target} cannot be reached: {_reason(cause)}",
        hint="check that the cluster runs, and the network between it and this machine",
    )


def was_cut(error: Exception) -> bool:
    """Whether a connection broke, rather than never came about: only that is worth another try."""
    if isinstance(error, urllib3.exceptions.SSLError):
        # A TLS connection that ends without its closing words; a server without TLS fails otherwise.
        return "UNEXPECTED_EOF" in str(error)
    return isinstance(error, urllib3.exceptions.ProtocolError | ConnectionResetError | BrokenPipeError)


def _refused(target: Target) -> Unreachable:
    return Unreachable(
        f"{target} refuses the connection",
        hint="check that the cluster runs, and the `server` of the context: `kubectl config view --minify`",
    )


def _reason(cause: object) -> str:
    text = str(cause)
    # urllib3 puts its own connection object in front.
    return text.rsplit(": ", 1)[-1] if "<urllib3" in text else text


def tls_error(target: Target, text: str) -> TlsFailed:
    """Say which side of the handshake was not accepted."""
    lowered = text.lower()
    if "hostname mismatch" in lowered or "doesn't match" in lowered or "ip address mismatch" in lowered:
        return TlsFailed(
            f"the certificate of {target} is for another name",
            hint="set `tls-server-name` in the kubeconfig, or use the address the certificate was made for",
            detail=text,
        )
    if "expired" in lowered:
        return TlsFailed(
            f"a certificate in the connection to {target} has expired",
            hint="renew it (`kubeadm certs check-expiration` on a kubeadm cluster), and check this machine's clock",
            detail=text,
        )
    if "verify failed" in lowered or "self-signed" in lowered or "unable to get local issuer" in lowered:
        return TlsFailed(
            f"the certificate of {target} is not signed by the authority in the kubeconfig",
            hint="fetch a new kubeconfig: the cluster may have been made anew",
            detail=text,
        )
    return TlsFailed(
        f"the TLS connection to {target} failed",
        hint="check that `server` in the kubeconfig is an https address of an API server",
        detail=text,
    )


def answer_error(target: Target, method: str, path: str, status: int, body: bytes) -> ClusterError:
    """Turn an answer of 400 and above into our error; the server's own message is its detail."""
    message = _message(body)
    if status == 401:
        return Unauthorized(
            f"{target} does not accept these credentials",
            hint="log in again, or fetch a new kubeconfig; `kubectl auth whoami` shows who you are",
            detail=message,
        )
    if status == 403:
        return _forbidden(target, method, path, message)
    if status == 410:
        token = str((_status(body).get("metadata") or {}).get("continue") or "")
        return Expired(f"{target} can no longer continue the list at {path}", token=token)
    kind: type[ClusterError] = {404: NotFound, 409: Conflict, 400: Invalid, 422: Invalid, 429: Busy}.get(
        status, ApiFailed
    )
    return kind(
        f"{target} answered {status} to {method} {path}: {message or 'no reason given'}",
        hint="run the command again in a moment" if status in {429, 500, 502, 503, 504} else "",
        detail=message,
    )


def _forbidden(target: Target, method: str, path: str, message: str) -> Forbidden:
    match = _FORBIDDEN.search(message)
    if match is None:
        return Forbidden(
            f"{target} forbids {method} {path}: {message or 'no reason given'}",
            hint=f"{_right(path) if 'admission' not in message else _RIGHT}, or use another context",
            detail=message,
        )
    resource = f"{match['resource']}.{match['group']}" if match["group"] else match["resource"]
    where = f" in namespace `{match['namespace']}`" if match["namespace"] else " in the whole cluster"
    return Forbidden(
        f"user `{match['user']}` may not {match['verb']} `{resource}`{where}",
        hint=f"{_right(path)}; check with `{_check(match)}`",
        detail=message,
    )


_RIGHT = "ask an administrator of the cluster for the right"


def _right(path: str) -> str:
    """What an administrator is asked for. A websocket begins with GET, for which RBAC has the verb `get`.

    Since Kubernetes 1.35 `create` is asked for besides, and refused without a word of the verb. kubectl gets in with
    `create` alone: it falls back to SPDY, whose POST is a `create`. https://github.com/kubernetes/kubernetes/pull/134577
    """
    found = _BY_WEBSOCKET.search(path)
    return f"{_RIGHT}s `get` and `create` on `pods/{found['what']}`: a websocket takes both" if found else _RIGHT


def _check(match: re.Match[str]) -> str:
    """The command that asks for it. With `TYPE/NAME` kubectl would take a subresource for a name."""
    kind, _slash, subresource = match["resource"].partition("/")
    kind = f"{kind}.{match['group']}" if match["group"] else kind
    words = ["kubectl auth can-i", match["verb"], kind]
    words += [f"--subresource={subresource}"] if subresource else []
    words += [f"-n {match['namespace']}"] if match["namespace"] else []
    return " ".join([*words, f"--as '{match['user']}'"])


def _message(body: bytes) -> str:
    return str(_status(body).get("message") or "") or (
        "" if body.lstrip()[:1] == b"{" else body.decode("utf-8", "replace").strip()[:500]
    )


def _status(body: bytes) -> dict[str, Any]:
    """The API's `Status` object; empty when a proxy or a load balancer answered in its place."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
