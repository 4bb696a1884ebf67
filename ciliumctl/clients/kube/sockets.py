"""Sockets: to the API server, for the protocols that take a connection over, and the local one of a port-forward."""

from __future__ import annotations

import base64
import contextlib
import errno
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from ciliumctl.clients.kube.translate import Target, translated
from ciliumctl.errors import Unreachable, UsageError

T = TypeVar("T")


def open_socket(configuration: Any, target: Target, seconds: float) -> Connection:
    """A new connection, through the proxy and TLS where the library's configuration says so. Raises `ClusterError`."""
    parts = urlsplit(target.host)
    secure = parts.scheme == "https"
    name, port = parts.hostname or "", parts.port or (443 if secure else 80)
    with translated(target):
        sock = _reach(configuration.proxy, name, port, target, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not secure:
            return sock
        try:
            server_name = configuration.tls_server_name or name
            return SharedTls(tls_context(configuration).wrap_socket(sock, server_hostname=server_name))
        except BaseException:
            sock.close()
            raise


def _reach(proxy: str | None, name: str, port: int, target: Target, seconds: float) -> socket.socket:
    if not proxy:
        return socket.create_connection((name, port), seconds)
    parts = urlsplit(proxy)
    if parts.scheme != "http":
        # Python has no TLS inside TLS.
        raise Unreachable(
            f"`{parts.scheme}` proxies cannot carry exec and port-forward to {target}",
            hint="use an http proxy for this context",
        )
    sock = socket.create_connection((parts.hostname or "", parts.port or 80), seconds)
    try:
        authority = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if parts.username is not None:
            lines.append(f"Proxy-Authorization: {basic_auth(parts)}")
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, _headers = read_head(sock)
    except BaseException:
        sock.close()
        raise
    if status != 200:
        sock.close()
        raise Unreachable(
            f"the proxy in front of {target} answered {status} to CONNECT",
            hint="check `proxy-url` in the kubeconfig, `HTTPS_PROXY` and `NO_PROXY`",
        )
    return sock


def tls_context(configuration: Any) -> ssl.SSLContext:
    """Whom to trust and what to show. Raises `OSError` for files that hold no certificate or key."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def basic_auth(proxy: SplitResult) -> str:
    """What a proxy with a user in its address wants to see."""
    pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


class SharedTls:
    """A TLS connection that one thread may read while others write.

    With Python's own socket before 3.13.7 that breaks connections, and now and then the process: two threads are
    inside one OpenSSL object at once. Here only one is, and none while it waits for the network.
    https://github.com/python/cpython/issues/137583
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._socket = sock
        self._timeout = sock.gettimeout()
        self._turn = threading.Lock()
        self._writing = threading.Lock()
        self._open = True
        sock.setblocking(False)

    def settimeout(self, seconds: float | None) -> None:
        """How long a later call may take; `None` for any time."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """How long a call may take."""
        return self._timeout

    def fileno(self) -> int:
        """The connection's number in this process."""
        return self._socket.fileno()

    def recv(self, size: int) -> bytes:
        """The next bytes, empty at the end. Raises `OSError`."""
        return self._in_turn(partial(self._socket.recv, size))

    def send(self, data: bytes) -> int:
        """Send some of `data` and return how much. Raises `OSError`."""
        with self._writing:
            return self._in_turn(partial(self._socket.send, data))

    def sendall(self, data: bytes) -> None:
        """Send all of `data`. Raises `OSError`."""
        with self._writing:
            left = memoryview(data)
            while left:
                left = left[self._in_turn(partial(self._socket.send, left)) :]

    def shutdown(self, how: int) -> None:
        """End the connection, waking the threads that wait for it."""
        with self._turn:
            self._open = False
            self._socket.shutdown(how)

    def close(self) -> None:
        """End the connection and give up its number."""
        with self._turn, contextlib.suppress(OSError):
            if self._open:
                self._open = False
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _in_turn(self, operation: Callable[[], T]) -> T:
        until = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with self._turn:
                if not self._open:
                    raise OSError(errno.EBADF, "the connection is closed")
                try:
                    return operation()
                except ssl.SSLWantReadError:
                    event = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    event = selectors.EVENT_WRITE
                waiting = selectors.DefaultSelector()
                waiting.register(self._socket, event)
            with waiting:
                if not waiting.select(None if until is None else max(0.0, until - time.monotonic())):
                    raise TimeoutError("timed out")


Connection = socket.socket | SharedTls


def read_head(sock: Connection) -> tuple[int, dict[str, str]]:
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


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises `UsageError` when the address or the port cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} on `{address}` is in use by another program",
                hint=f"choose another port, or 0 for a free one; `ss -ltnp sport = :{port}` shows who has it",
            ) from error
        if error.errno == errno.EACCES:
            raise UsageError(
                f"this user may not listen on port {port}",
                hint="choose a port above 1023, or 0 for a free one",
            ) from error
        raise UsageError(
            f"this machine cannot listen on `{address}`: {error.strerror or error}",
            hint="use an address of this machine, such as 127.0.0.1",
        ) from error
    return listener
