"""The byte stream that SPDY frames travel on.

Either a websocket tunnel (Kubernetes 1.30 and later, the way kubectl takes), or a connection upgraded to SPDY (every
version).
"""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol
from urllib.parse import urlsplit

import websocket
from websocket import ABNF

from ciliumctl.clients.kube.sockets import Connection, read_head
from ciliumctl.clients.kube.streams import hang_up, open_websocket
from ciliumctl.clients.kube.translate import answer_error, translated
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.errors import ApiFailed, Forbidden, Invalid

_TUNNEL = "SPDY/3.1+portforward.k8s.io"
PING_INTERVAL = 20.0


class Wire(Protocol):
    """A two-way byte stream to the API server."""

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises `OSError`."""

    def receive(self) -> bytes:
        """The next bytes, empty at the end. Raises `OSError`; `TimeoutError` after `PING_INTERVAL` of silence."""

    def close(self) -> None:
        """Close at once."""


class SocketWire:
    """A connection that was upgraded to SPDY."""

    def __init__(self, sock: Connection) -> None:
        self._socket = sock
        sock.settimeout(PING_INTERVAL)

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """The next bytes."""
        return self._socket.recv(65536)

    def close(self) -> None:
        """Close at once, waking a thread that reads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class WebsocketWire:
    """A websocket whose messages, put together, are the byte stream."""

    def __init__(self, sock: websocket.WebSocket) -> None:
        self._socket = sock
        sock.settimeout(PING_INTERVAL)

    def send(self, data: bytes) -> None:
        """Send all of `data` as one message."""
        try:
            self._socket.send_binary(data)
        except websocket.WebSocketException as error:
            raise ConnectionResetError(str(error)) from error

    def receive(self) -> bytes:
        """The next bytes."""
        while True:
            try:
                opcode, frame = self._socket.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException as error:
                raise TimeoutError from error
            except websocket.WebSocketException as error:
                raise ConnectionResetError(str(error)) from error
            if opcode == ABNF.OPCODE_CLOSE:
                return b""
            if opcode == ABNF.OPCODE_BINARY and frame.data:
                return bytes(frame.data)

    def close(self) -> None:
        """Close at once, waking a thread that reads."""
        hang_up(self._socket)


def open_wire(transport: Transport, path: str) -> Wire:
    """Open a connection for SPDY frames to `path`, such as a pod's `portforward` subresource."""
    try:
        return WebsocketWire(open_websocket(transport, path, [], [_TUNNEL]))
    except (ApiFailed, Forbidden, Invalid):
        # An API server before 1.30 does not know the tunnel: it answers 400, or upgrades to nothing we asked for. A
        # proxy may refuse websockets. And a websocket needs the verb `get`, where many roles give only `create`.
        return SocketWire(_upgrade(transport, path))


def _upgrade(transport: Transport, path: str) -> Connection:
    sock = transport.open_socket()
    transport.requests += 1
    try:
        with translated(transport.target):
            sock.sendall(_upgrade_request(transport, path))
            status, answer = read_head(sock)
            body = b"" if status == 101 else _read_body(sock, answer.get("content-length", ""))
    except BaseException:
        sock.close()
        raise
    if status != 101:
        sock.close()
        raise answer_error(transport.target, "POST", path, status, body)
    return sock


def _read_body(sock: Connection, length: str) -> bytes:
    body = b""
    wanted = int(length) if length.isdigit() else 0
    while len(body) < wanted and (piece := sock.recv(wanted - len(body))):
        body += piece
    return body


def _upgrade_request(transport: Transport, path: str) -> bytes:
    server = urlsplit(transport.host)
    lines = [f"POST {server.path}{path} HTTP/1.1", f"Host: {server.netloc}"]
    lines += [f"{name}: {value}" for name, value in transport.headers().items()]
    lines += [f"{name}: {value}" for name, value in transport.repeated_headers()]
    lines += ["Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"]
    return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()
