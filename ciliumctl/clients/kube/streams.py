"""Run a command in a container: the remote-command protocol over a websocket.

Done on our own socket because the library drops impersonation headers there, knows no connect timeout, patches the
shared client in `stream()` and blocks for seconds in `close()`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit

import websocket
from websocket import ABNF

from ciliumctl.clients.kube.translate import answer_error, translated
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.errors import ApiFailed, ClusterError, TimedOut, Unauthorized
from ciliumctl.wait import Deadline

# The protocol's channels (k8s.io/apimachinery/pkg/util/remotecommand).
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_PIECE = 32 * 1024
PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]


def open_websocket(
    transport: Transport, path: str, query: list[tuple[str, Any]], protocols: list[str]
) -> websocket.WebSocket:
    """Upgrade a new connection to a websocket. Raises `ClusterError`, with the server's message when it says no.

    `ApiFailed` also stands for a server that speaks none of `protocols`, or no websockets at all. After a 401 it
    is tried once more, with a new credential: what runs for hours outlives its token.
    """
    try:
        return _opened(transport, path, query, protocols)
    except Unauthorized:
        if not transport.renew():
            raise
    return _opened(transport, path, query, protocols)


def _opened(transport: Transport, path: str, query: list[tuple[str, Any]], protocols: list[str]) -> websocket.WebSocket:
    parts = urlsplit(transport.host)
    url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path}{path}?{urlencode(query)}"
    headers = [f"{name}: {value}" for name, value in transport.headers().items()]
    headers += [f"{name}: {value}" for name, value in transport.repeated_headers()]
    sock = transport.open_socket()
    transport.requests += 1
    opened = websocket.WebSocket(enable_multithread=True)
    try:
        with translated(transport.target):
            # No redirects, which are an error then: the token is for this server alone.
            opened.connect(
                url, socket=sock, header=headers, subprotocols=protocols, suppress_origin=True, redirect_limit=0
            )
    except Exception as error:
        sock.close()
        cause = error.__cause__
        if isinstance(cause, websocket.WebSocketBadStatusException):
            body = cause.resp_body if isinstance(cause.resp_body, bytes) else b""
            raise answer_error(transport.target, "GET", path, int(cause.status_code), body) from error
        if type(cause) is websocket.WebSocketException:
            raise ApiFailed(
                f"{transport.target} does not open the websocket that was asked for: {cause}",
                hint="check whether a proxy in front of the API server lets websockets through",
            ) from error
        raise
    return opened


def hang_up(opened: websocket.WebSocket) -> None:
    """Close at once, waking the threads that wait for the connection."""
    inner = opened.sock
    if inner is not None:
        with contextlib.suppress(OSError):
            inner.shutdown(socket.SHUT_RDWR)
        # The library looks at private parts before it closes, which only Python's own sockets have.
        inner.close()
    opened.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command in a container did."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """The standard output as text, without the white space around it."""
        return self.stdout.decode("utf-8", "replace").strip()


class Exec:
    """A command that runs in a container. Use it as a context manager; leaving it drops the connection."""

    def __init__(self, transport: Transport, path: str, query: list[tuple[str, Any]]) -> None:
        self._target = transport.target
        self._socket = open_websocket(transport, path, query, PROTOCOLS)
        self._half_close = self._socket.getsubprotocol() == PROTOCOLS[0]
        self._status: dict[str, Any] | None = None
        self._heard = time.monotonic()
        self._answers_pings = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        hang_up(self._socket)

    def send(self, data: bytes) -> None:
        """Write to the command's standard input."""
        with translated(self._target):
            self._socket.send_binary(bytes([STDIN]) + data)

    def feed(self, data: bytes) -> None:
        """Write all of `data` and close the standard input, on a thread: a command may answer before it read it all."""
        threading.Thread(target=self._feed, args=(data,), name="exec-input", daemon=True).start()

    def _feed(self, data: bytes) -> None:
        # A command may end without its input, and then the connection does: `frames` says what there is to say.
        with contextlib.suppress(ClusterError):
            for start in range(0, len(data), _PIECE):
                self.send(data[start : start + _PIECE])
            self.end_input()

    def end_input(self) -> None:
        """Close the command's standard input, where the server can (Kubernetes 1.30 and later)."""
        if self._half_close:
            with translated(self._target):
                self._socket.send_binary(bytes([CLOSE, STDIN]))

    @property
    def ends_input(self) -> bool:
        """Whether the server can close the command's standard input, and leave the rest open."""
        return self._half_close

    def hang_up(self) -> None:
        """Drop the connection, from any thread: `frames` says that it was cut."""
        hang_up(self._socket)

    def ping(self) -> None:
        """Ask for a sign of life: what stands between closes a connection on which nothing is said for a minute."""
        with translated(self._target):
            self._socket.ping()

    @property
    def silence(self) -> float:
        """Seconds in which nothing came, of a server that answered a ping before; 0 of one that never did."""
        return time.monotonic() - self._heard if self._answers_pings else 0.0

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the terminal."""
        size = json.dumps({"Width": columns, "Height": rows}).encode()
        with translated(self._target):
            self._socket.send_binary(bytes([RESIZE]) + size)

    def frames(self, deadline: Deadline) -> Iterator[tuple[Literal["stdout", "stderr"], bytes]]:
        """Yield what the command writes until it ends.

        Raises:
            TimedOut: the deadline passed first.
            ApiFailed: the connection was cut before the command ended.
        """
        while self._status is None:
            left = deadline.left(3600.0)
            if left <= 0:
                raise TimedOut("the command in the container did not end in time", hint="raise `--timeout`")
            self._socket.settimeout(left)
            try:
                with translated(self._target):
                    opcode, frame = self._socket.recv_data_frame(control_frame=True)
            except Exception as error:
                if isinstance(error.__cause__, websocket.WebSocketTimeoutException):
                    continue
                if isinstance(error.__cause__, ConnectionError):
                    raise ApiFailed(
                        f"the connection to {self._target} was cut", hint="run the command again"
                    ) from error
                raise
            self._heard = time.monotonic()
            self._answers_pings = self._answers_pings or opcode == ABNF.OPCODE_PONG
            if opcode == ABNF.OPCODE_CLOSE:
                raise ApiFailed(
                    f"{self._target} ended the command in the container without saying how it went",
                    hint="check that the container still runs, then run the command again",
                )
            data = frame.data
            if opcode not in {ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT} or not data:
                continue
            channel, payload = data[0], data[1:]
            if channel == ERROR:
                self._status = _status(payload)
            elif payload and channel in {STDOUT, STDERR}:
                yield (
                    "stdout" if channel == STDOUT else "stderr",
                    payload,
                )

    @property
    def exit_code(self) -> int:
        """The command's exit code, once `frames` has ended.

        Raises:
            ApiFailed: the command could not be started, or nobody knows how it ended.
        """
        status = self._status or {}
        if status.get("status") == "Success":
            return 0
        for cause in (status.get("details") or {}).get("causes") or []:
            if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdigit():
                return int(cause["message"])
        message = str(status.get("message") or "no reason given")
        raise ApiFailed(f"the command could not be run in the container: {message}", detail=message)


def _status(payload: bytes) -> dict[str, Any]:
    """How the command went; a server's plain words are its message."""
    try:
        status = json.loads(payload or b"{}")
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": payload.decode("utf-8", "replace")}
