"""Bytes to and from one API server: requests through the library's pool, raw sockets for streams."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import urllib3
import urllib3.exceptions
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader

from ciliumctl import __version__
from ciliumctl.clients.kube.kubeconfig import Context, Renewable, exec_plugin, token_file
from ciliumctl.clients.kube.translate import Target, answer_error, connection_error, translated
from ciliumctl.errors import CiliumctlError, NoKubeconfig, TimedOut, Unreachable
from ciliumctl.wait import Deadline

POOL_SIZE = 32
CONNECT_TIMEOUT = 10.0
_RETRIES = 3
_RETRY_STATUS = {429, 503}
_READS = {"GET", "HEAD"}

Query = Mapping[str, Any] | list[tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the API server below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Transport:
    """A connection to one API server as one user. Safe to use from several threads."""

    def __init__(
        self,
        context: Context,
        *,
        environ: Mapping[str, str],
        request_timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.context = context
        self.deadline = Deadline()
        self.requests = 0
        #: Told of each request: method, path, status, size and time.
        self.trace: Callable[[str], None] | None = None
        self._request_timeout = request_timeout
        self._sleep = sleep
        self._lock = threading.Lock()
        self._renewable = _renewable(context, environ)
        self._certificate = ""
        self._configuration, self._api = self._build()
        self.target = Target(host=str(self._configuration.host), context=context.name)

    def _build(self) -> tuple[Any, Any]:
        user = {
            key: value
            for key, value in self.context.user.items()
            if key not in {"exec", "tokenFile", *(("token",) if self._renewable else ())}
        }
        if self._renewable is not None:
            credential = self._renewable.current()
            if credential.certificate:
                user["client-certificate-data"] = base64.b64encode(credential.certificate.encode()).decode()
                user["client-key-data"] = base64.b64encode(credential.key.encode()).decode()
                self._certificate = credential.certificate
        config = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": dict(self.context.cluster)}],
            "users": [{"name": "it", "user": user}],
        }
        if not self.context.cluster.get("server"):
            raise NoKubeconfig(f"context `{self.context.name}` names no API server", hint="fetch a new kubeconfig")
        configuration: Any = Configuration(connection_pool_maxsize=POOL_SIZE)
        try:
            KubeConfigLoader(config, config_base_path="").load_and_set(configuration)
        except (ConfigException, ValueError, OSError) as error:
            raise NoKubeconfig(
                f"context `{self.context.name}` cannot be used: {error}", hint="fetch a new kubeconfig"
            ) from error
        try:
            return configuration, ApiClient(configuration)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise NoKubeconfig(
                f"a certificate of context `{self.context.name}` cannot be used: {error}",
                hint="fetch a new kubeconfig",
            ) from error

    @property
    def host(self) -> str:
        """The address of the API server, as the kubeconfig has it."""
        return self.target.host

    def headers(self) -> dict[str, str]:
        """Who we are, and as whom we act."""
        headers = {"User-Agent": f"ciliumctl/{__version__}"}
        if self._renewable is not None:
            credential = self._renewable.current()
            if credential.certificate != self._certificate:
                with self._lock:
                    self._configuration, self._api = self._build()
            if credential.token:
                headers["Authorization"] = f"Bearer {credential.token}"
        else:
            token = self._configuration.get_api_key_with_prefix("BearerToken")
            if token:
                headers["Authorization"] = token
        if self.context.as_user:
            headers["Impersonate-User"] = self.context.as_user
            if self.context.as_uid:
                headers["Impersonate-Uid"] = self.context.as_uid
        return headers

    def _header_list(self, extra: Mapping[str, str]) -> urllib3.HTTPHeaderDict:
        headers = urllib3.HTTPHeaderDict({**self.headers(), **extra})
        for name, value in self.repeated_headers():
            headers.add(name, value)
        return headers

    def repeated_headers(self) -> list[tuple[str, str]]:
        """Impersonation headers that may come several times."""
        pairs = [("Impersonate-Group", group) for group in self.context.as_groups]
        for key, values in self.context.as_extra.items():
            pairs += [(f"Impersonate-Extra-{key}", value) for value in values]
        return pairs

    def timeout(self, wanted: float | None = None) -> float:
        """Seconds that one request may take now.

        Raises:
            TimedOut: the command's own deadline has passed.
        """
        left = self.deadline.left(wanted or self._request_timeout)
        if left <= 0:
            raise TimedOut(f"the time is up before {self.target} was asked", hint="raise `--timeout`")
        return left

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        accept: str = "application/json",
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        """Ask the API server and return its whole answer.

        Reads are tried again, at most three times in all, after a broken connection, a 429 or a 503; a 401 is tried
        again once with a new credential.

        Raises:
            ClusterError: nothing answered, or the answer was 400 or above.
        """
        url = path + ("?" + urlencode(query, doseq=True) if query else "")
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        attempt = 1
        while True:
            try:
                answer = self._once(method, url, data, accept, content_type, timeout)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if method in _READS and attempt < _RETRIES and _was_cut(error):
                    self._pause(attempt)
                    attempt += 1
                    continue
                raise connection_error(self.target, error) from error
            if answer.status == 401 and self._renewable is not None and not renewed:
                self._renewable.renew()
                renewed = True
                continue
            if answer.status in _RETRY_STATUS and method in _READS and attempt < _RETRIES:
                self._pause(attempt, answer.headers.get("Retry-After", ""))
                attempt += 1
                continue
            if answer.status >= 400:
                raise answer_error(self.target, method, path, answer.status, answer.body)
            return answer

    def _pause(self, attempt: int, retry_after: str = "") -> None:
        seconds = min(float(retry_after), 5.0) if retry_after.isdigit() else 0.25 * 2**attempt
        self._sleep(self.deadline.left(seconds))

    def _once(
        self, method: str, url: str, data: bytes | None, accept: str, content_type: str, timeout: float | None
    ) -> Answer:
        headers = self._header_list(
            {"Accept": accept, "Accept-Encoding": "gzip", **({"Content-Type": content_type} if data else {})}
        )
        seconds = self.timeout(timeout)
        self.requests += 1
        started = time.monotonic()
        response = self._pool().request(
            method,
            self.host + url,
            body=data,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(seconds, CONNECT_TIMEOUT), read=seconds),
            retries=False,
            redirect=False,
        )
        if self.trace is not None:
            took = (time.monotonic() - started) * 1000
            self.trace(f"{method} {url} → {response.status}, {len(response.data)} bytes, {took:.0f} ms")
        return Answer(status=response.status, headers=response.headers, body=response.data)

    def _pool(self) -> Any:
        return self._api.rest_client.pool_manager

    @contextmanager
    def stream(self, path: str, *, query: Query, read_timeout: float | None) -> Iterator[Iterator[bytes]]:
        """Open a GET whose answer comes bit by bit, such as a followed log; yields the pieces.

        `read_timeout` is the longest silence in seconds, `None` for any.
        """
        url = self.host + path + "?" + urlencode(query, doseq=True)
        with translated(self.target):
            self.requests += 1
            response = self._pool().request(
                "GET",
                url,
                headers=self._header_list({"Accept": "*/*"}),
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
                retries=False,
                preload_content=False,
            )
            try:
                if response.status >= 400:
                    raise answer_error(self.target, "GET", path, response.status, response.data)
                yield response.stream(65536)
            finally:
                response.close()
                response.release_conn()

    def open_socket(self) -> socket.socket:
        """A new connection to the API server, through the proxy and TLS where the context says so.

        For the protocols that take a connection over. Raises `ClusterError`.
        """
        parts = urlsplit(self.host)
        secure = parts.scheme == "https"
        name, port = parts.hostname or "", parts.port or (443 if secure else 80)
        seconds = min(self.timeout(), CONNECT_TIMEOUT)
        with translated(self.target):
            sock = self._through_proxy(name, port, seconds)
            try:
                if secure:
                    sock = self._tls().wrap_socket(sock, server_hostname=self._configuration.tls_server_name or name)
            except BaseException:
                sock.close()
                raise
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock

    def _tls(self) -> ssl.SSLContext:
        configuration = self._configuration
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        return context

    def _through_proxy(self, name: str, port: int, seconds: float) -> socket.socket:
        proxy = self._configuration.proxy
        if not proxy or should_bypass_proxies(self.host, self._configuration.no_proxy or ""):
            return socket.create_connection((name, port), seconds)
        parts = urlsplit(proxy)
        if parts.scheme not in {"http", "https"}:
            raise Unreachable(
                f"`{parts.scheme}` proxies cannot carry exec and port-forward to {self.target}",
                hint="use an http proxy for this context",
            )
        sock = socket.create_connection((parts.hostname or "", parts.port or 80), seconds)
        if parts.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
        authority = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair.encode()).decode())
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, _headers = read_head(sock)
        if status != 200:
            sock.close()
            raise Unreachable(
                f"the proxy in front of {self.target} answered {status} to CONNECT",
                hint="check `proxy-url` in the kubeconfig, `HTTPS_PROXY` and `NO_PROXY`",
            )
        return sock


def read_head(sock: socket.socket) -> tuple[int, dict[str, str]]:
    """Read the head of an HTTP answer, byte by byte so that nothing after it is swallowed.

    Returns the status and the headers with lower-case names. Raises `OSError` when there is no such head.
    """
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > 65536:
            raise ConnectionResetError("the connection was closed in the middle of an answer")
        head += byte
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("the other side does not speak HTTP")
    pairs = (line.split(":", 1) for line in rest if ":" in line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, value in pairs}


def _renewable(context: Context, environ: Mapping[str, str]) -> Renewable | None:
    """What kubectl prefers: a token before an exec plugin; a token file before the token it replaces."""
    user = context.user
    if user.get("tokenFile"):
        return token_file(str(user["tokenFile"]))
    if isinstance(user.get("exec"), Mapping) and not user.get("token"):
        return exec_plugin(user["exec"], context.cluster, environ)
    return None


def _was_cut(error: Exception) -> bool:
    """Whether a connection broke, rather than never came about: only that is worth another try."""
    if isinstance(error, CiliumctlError):
        return False
    return isinstance(error, urllib3.exceptions.ProtocolError | ConnectionResetError | BrokenPipeError)
