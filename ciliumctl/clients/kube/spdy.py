"""The part of SPDY/3.1 that Kubernetes' port-forward needs: many two-way streams over one connection.

The websocket variant of port-forward cannot close one direction of a connection and keep the other, SPDY can. The
frames go either through a websocket tunnel (Kubernetes 1.30 and later, the way kubectl takes) or over a connection
upgraded to SPDY (every version). Frame layout: the SPDY/3.1 draft, sections 2.2 and 2.6.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

import websocket
from websocket import ABNF

from ciliumctl.clients.kube.sockets import Connection, read_head
from ciliumctl.clients.kube.streams import hang_up, open_websocket
from ciliumctl.clients.kube.translate import answer_error, translated
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.errors import ApiFailed, Forbidden, Invalid

_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_FIN = 0x01
_TUNNEL = "SPDY/3.1+portforward.k8s.io"
_FRAME = 32 * 1024
_QUEUE = 64
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


class Stream:
    """One two-way stream. Reads block; `None` is the end."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number
        self._arrived: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        self._ended = False

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises `OSError` when the session is gone."""
        for start in range(0, len(data), _FRAME):
            self._session.send_data(self.number, data[start : start + _FRAME])

    def end(self) -> None:
        """Say that nothing more will be sent; the other direction stays open."""
        self._session.send_data(self.number, b"", fin=True)

    def read(self, timeout: float | None = None) -> bytes | None:
        """The next piece, `None` at the end. Raises `queue.Empty` after `timeout` seconds."""
        if self._ended:
            return None
        piece = self._arrived.get(timeout=timeout)
        self._ended = piece is None
        return piece

    def reset(self) -> None:
        """Give the stream up in both directions."""
        self._session.reset(self.number)

    def deliver(self, piece: bytes | None) -> None:
        """Called by the session's reader; blocks while the consumer is behind, which slows the sender down."""
        while not self._session.closed.is_set() or piece is None:
            try:
                self._arrived.put(piece, timeout=1.0)
            except queue.Full:
                if piece is None and self._session.closed.is_set():
                    self._arrived.get_nowait()
                continue
            return


class Session:
    """The streams of one connection. A reader thread delivers what arrives."""

    def __init__(self, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        # Every SPDY peer of Kubernetes inflates with Go's zlib, which needs no preset dictionary.
        self._deflate = zlib.compressobj()
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self.closed = threading.Event()
        threading.Thread(target=self._read, name="spdy", daemon=True).start()

    def open(self, headers: Mapping[str, str], *, fin: bool = False) -> Stream:
        """Open a stream; with `fin`, one that we only read. Raises `OSError` when the session is gone."""
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        with self._lock:
            number, self._next = self._next, self._next + 2
            packed = self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            stream = self._streams[number] = Stream(self, number)
            payload = struct.pack(">IIBB", number, 0, 0, 0) + packed
            self._send(_control(_SYN_STREAM, payload, _FIN if fin else 0))
        return stream

    def send_data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        """Send one data frame."""
        head = struct.pack(">II", number, ((_FIN if fin else 0) << 24) | len(data))
        with self._lock:
            self._send(head + data)

    def reset(self, number: int) -> None:
        """Forget a stream and tell the other side."""
        self._streams.pop(number, None)
        if not self.closed.is_set():
            cancel = 5
            try:
                with self._lock:
                    self._send(_control(_RST_STREAM, struct.pack(">II", number, cancel)))
            except OSError:
                self.close()

    def close(self) -> None:
        """End the session and all its streams."""
        if not self.closed.is_set():
            self.closed.set()
            self._wire.close()
        for stream in list(self._streams.values()):
            stream.deliver(None)
        self._streams.clear()

    def _send(self, frame: bytes) -> None:
        if self.closed.is_set():
            raise ConnectionResetError("the port-forward session is closed")
        self._wire.send(frame)

    def _read(self) -> None:
        buffer = bytearray()
        pinged = False
        try:
            while not self.closed.is_set():
                try:
                    piece = self._wire.receive()
                except TimeoutError:
                    if pinged:
                        return
                    with self._lock:
                        self._send(_control(_PING, struct.pack(">I", 1)))
                    pinged = True
                    continue
                if not piece:
                    return
                pinged = False
                buffer += piece
                while (size := _frame_size(buffer)) is not None:
                    frame = bytes(buffer[:size])
                    del buffer[:size]
                    if not self._handle(frame):
                        return
        except OSError:
            return
        finally:
            self.close()

    def _handle(self, frame: bytes) -> bool:
        """Deal with one frame; `False` ends the session."""
        if frame[0] & 0x80:
            kind = struct.unpack(">H", frame[2:4])[0]
            if kind == _GOAWAY:
                return False
            if kind == _RST_STREAM:
                stream = self._streams.pop(struct.unpack(">I", frame[8:12])[0], None)
                if stream is not None:
                    stream.deliver(None)
            elif kind == _PING and struct.unpack(">I", frame[8:12])[0] % 2 == 0:
                # Even numbers are the server's own pings: send them back. Odd ones answer ours.
                with self._lock:
                    self._send(frame)
            return True
        number = struct.unpack(">I", frame[:4])[0] & 0x7FFFFFFF
        stream = self._streams.get(number)
        if stream is not None:
            if len(frame) > 8:
                stream.deliver(frame[8:])
            if frame[4] & _FIN:
                self._streams.pop(number, None)
                stream.deliver(None)
        return True


def _control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, (flags << 24) | len(payload)) + payload


def _frame_size(buffer: bytearray) -> int | None:
    if len(buffer) < 8:
        return None
    size = 8 + (struct.unpack(">I", buffer[4:8])[0] & 0xFFFFFF)
    return size if len(buffer) >= size else None
