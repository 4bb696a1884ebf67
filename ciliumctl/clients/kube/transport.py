"""Bytes to and from one API server: requests through the library's pool, raw sockets for streams."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
import urllib3.exceptions
from kubernetes.client import ApiClient, Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader

from ciliumctl import __version__
from ciliumctl.clients.kube.kubeconfig import Context, Renewable, exec_plugin, token_file
from ciliumctl.clients.kube.sockets import Connection, basic_auth, open_socket, tls_context
from ciliumctl.clients.kube.translate import Target, answer_error, connection_error, was_cut
from ciliumctl.clients.proxies import proxy_for
from ciliumctl.errors import ApiFailed, NoKubeconfig, TimedOut
from ciliumctl.wait import Deadline

POOL_SIZE = 32
# Connections that are kept for the next stream. Not how many there may be: the pool logs each that it cannot keep.
_STREAMS = 4096
CONNECT_TIMEOUT = 10.0
_RETRIES = 3
# Seconds for a request that was given no limit.
_LONGEST = 3600.0
_READS = {"GET", "HEAD"}
# What a header's name may hold beside letters and digits (RFC 9110, 5.6.2), without the escape character itself.
_HEADER_SAFE = "!#$&'*+-.^_`|~"

Query = Mapping[str, Any] | list[tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the API server."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: Target

    def json(self) -> Any:
        """The body, parsed: always an object. Raises `ApiFailed` when something else than an API server answered."""
        try:
            body = json.loads(self.body)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        raise ApiFailed(
            f"{self.origin} did not answer as an API server does",
            hint="check the `server` of the context in the kubeconfig: a proxy or a log-in page may stand in front",
            detail=self.body[:500].decode("utf-8", "replace"),
        )


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
        self._environ = environ
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(POOL_SIZE)
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
            self._set_proxy(configuration)
        except (ConfigException, ValueError, OSError) as error:
            raise NoKubeconfig(
                f"context `{self.context.name}` cannot be used: {error}", hint="fetch a new kubeconfig"
            ) from error
        try:
            if configuration.ssl_ca_cert or configuration.cert_file:
                # The library reads these files when it connects, and the server would be blamed for them.
                tls_context(configuration)
            if not configuration.verify_ssl:
                # The user asked for it: no warning with every request.
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            return configuration, ApiClient(configuration)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise NoKubeconfig(
                f"a certificate of context `{self.context.name}` cannot be used: {error}",
                hint="fetch a new kubeconfig",
            ) from error

    def _set_proxy(self, configuration: Any) -> None:
        """As kubectl: the kubeconfig's proxy in any case, else the one that the session's environment names."""
        proxy = self.context.cluster.get("proxy-url") or proxy_for(configuration.host, self._environ)
        if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
            raise ValueError(
                f"its proxy `{proxy.rpartition('@')[2]}` is not http:// or https://, which is all we speak"
            )
        configuration.proxy, configuration.no_proxy = proxy or None, ""
        if urlsplit(proxy).username is not None:
            configuration.proxy_headers = {"proxy-authorization": basic_auth(urlsplit(proxy))}

    @property
    def host(self) -> str:
        """The address of the API server, as the kubeconfig has it."""
        return self.target.host

    def headers(self) -> dict[str, str]:
        """Who we are, and as whom we act."""
        headers = {"User-Agent": f"ciliumctl/{__version__}"}
        if self._renewable is not None:
            credential = self._renewable.current()
            with self._lock:
                if credential.certificate != self._certificate:
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

    def header_list(self, extra: Mapping[str, str]) -> urllib3.HTTPHeaderDict:
        """The headers of one request, those that come several times too."""
        headers = urllib3.HTTPHeaderDict({**self.headers(), **extra})
        for name, value in self.repeated_headers():
            headers.add(name, value)
        return headers

    def repeated_headers(self) -> list[tuple[str, str]]:
        """Impersonation headers that may come several times."""
        pairs = [("Impersonate-Group", group) for group in self.context.as_groups]
        for key, values in self.context.as_extra.items():
            pairs += [(f"Impersonate-Extra-{quote(key, safe=_HEADER_SAFE)}", value) for value in values]
        return pairs

    def timeout(self, wanted: float | None = None) -> float:
        """Seconds that one request may take now.

        Raises:
            TimedOut: the command's own deadline has passed.
        """
        # 0 is no limit of its own, as with kubectl; yet no request may hang for ever.
        left = self.deadline.left(wanted or self._request_timeout or _LONGEST)
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
        again: bool = True,
    ) -> Answer:
        """Ask the API server and return its whole answer.

        A request is tried again, at most three times in all, after a 429, which says that the server did nothing yet;
        a read also after a broken connection or a 503; a 401 once, with a new credential. Without `again` it is not
        tried again: what answers behind the API server's proxy is not the API server.

        Raises:
            ClusterError: nothing answered, or the answer was 300 or above.
            TimedOut: the command's own deadline passed.
        """
        url = path + ("?" + urlencode(query, doseq=True) if query else "")
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        attempt = 1
        while True:
            try:
                answer = self._once(method, url, data, accept, content_type, timeout)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if again and method in _READS and attempt < _RETRIES and was_cut(error):
                    self._pause(attempt)
                    attempt += 1
                    continue
                if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError) and self.deadline.passed:
                    raise TimedOut(f"the time is up before {self.target} answered", hint="raise `--timeout`") from error
                raise connection_error(self.target, error) from error
            if answer.status == 401 and self._renewable is not None and not renewed:
                self._renewable.renew()
                renewed = True
                continue
            busy = answer.status == 429 or (answer.status == 503 and method in _READS)
            if again and busy and attempt < _RETRIES:
                self._pause(attempt, answer.headers.get("Retry-After", ""))
                attempt += 1
                continue
            if answer.status >= 300:
                raise answer_error(self.target, method, path, answer.status, answer.body)
            return answer

    def _pause(self, attempt: int, retry_after: str = "") -> None:
        seconds = min(float(retry_after), 5.0) if retry_after.isdigit() else 0.25 * 2**attempt
        self._sleep(self.deadline.left(seconds))

    def _once(
        self, method: str, url: str, data: bytes | None, accept: str, content_type: str, timeout: float | None
    ) -> Answer:
        headers = self.header_list(
            {"Accept": accept, "Accept-Encoding": "gzip", **({"Content-Type": content_type} if data else {})}
        )
        with self._slot(timeout) as seconds:
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
        return Answer(status=response.status, headers=response.headers, body=response.data, origin=self.target)

    @contextmanager
    def _slot(self, timeout: float | None) -> Iterator[float]:
        """Count a request in once one of the pool's connections is free; gives the seconds that it may take.

        Without this the pool opens connections past its size, and logs each that it drops.
        """
        if not self._slots.acquire(timeout=self.timeout(timeout)):
            raise TimeoutError
        try:
            seconds = self.timeout(timeout)
            with self._lock:
                self.requests += 1
            yield seconds
        finally:
            self._slots.release()

    def _pool(self) -> Any:
        return self._api.rest_client.pool_manager

    def streams(self) -> Any:
        """A pool of its own for answers that are read for long: they take none of the slots of other requests."""
        self._configuration.connection_pool_maxsize = _STREAMS
        try:
            return ApiClient(self._configuration).rest_client.pool_manager
        finally:
            self._configuration.connection_pool_maxsize = POOL_SIZE

    def renew(self) -> bool:
        """Get a new credential after a 401; says whether there was a way to."""
        if self._renewable is not None:
            self._renewable.renew()
        return self._renewable is not None

    def open_socket(self) -> Connection:
        """A new connection to the API server, for the protocols that take one over. Raises `ClusterError`."""
        return open_socket(self._configuration, self.target, min(self.timeout(), CONNECT_TIMEOUT))


def _renewable(context: Context, environ: Mapping[str, str]) -> Renewable | None:
    """What kubectl prefers: a token before an exec plugin; a token file before the token it replaces."""
    user = context.user
    if user.get("tokenFile"):
        return token_file(str(user["tokenFile"]))
    if isinstance(user.get("exec"), Mapping) and not user.get("token"):
        return exec_plugin(user["exec"], context.cluster, environ)
    return None
