"""Connections in plain view: a server that a test scripts byte by byte, and the server's half of websockets (RFC 6455).

Written by hand, so that what the client sends is judged by something other than the client's own library.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a request, with every header as often as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The first value of a header, empty without one."""
        return next(iter(self.all(name)), "")


class Peer:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, server: Server | None = None) -> None:
        self.sock = sock
        self.server = server
        self._buffer = bytearray()

    def receive(self) -> bytes:
        """The next bytes, empty at the end."""
        if self._buffer:
            piece = bytes(self._buffer)
            self._buffer.clear()
            return piece
        return self.sock.recv(65536)

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < size:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionResetError
            self._buffer += piece
        wanted = bytes(self._buffer[:size])
        del self._buffer[:size]
        return wanted

    def head(self) -> Head | None:
        """The head of the next request, kept in `server.heads`; `None` when there is none."""
        while b"\r\n\r\n" not in self._buffer:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self._buffer += piece
        raw, _blank, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        headers = [(name, value.strip()) for name, _colon, value in (line.partition(":") for line in lines)]
        head = Head(method=method, target=target, headers=headers)
        if self.server is not None:
            self.server.heads.append(head)
        return head

    def request(self) -> tuple[Head, bytes] | None:
        """The next request with its body."""
        head = self.head()
        return None if head is None else (head, self.exactly(int(head.get("Content-Length") or 0)))

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.sock.sendall(data)

    def answer(
        self, status: int, body: bytes | dict[str, Any] = b"", *, claims: int | None = None, **more: str
    ) -> None:
        """Answer a request; `claims` is a false Content-Length, `more` are headers with `_` for `-`."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data) if claims is None else claims}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def cut(self) -> None:
        """Reset the connection: the other side sees no orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection, waking a thread that reads from it."""
        with contextlib.suppress(OSError):
            if not self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER):
                self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Server:
    """Listens on a loopback port of the kernel's choice and serves each connection on a thread of its own."""

    def __init__(self, serve: Callable[[Peer], None], *, tls: ssl.SSLContext | None = None) -> None:
        self._serve_one = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._closed = False
        self.heads: list[Head] = []
        self.peers: list[Peer] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """End every connection there is."""
        with self._lock:
            peers = list(self.peers)
        for peer in peers:
            peer.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                peer = Peer(sock, self)
                self.peers.append(peer)
                if self._closed:
                    peer.close()
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        # A client that went away is no news.
        with contextlib.suppress(OSError):
            if self._tls is not None:
                peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            self._serve_one(peer)
        peer.close()


def accept_key(key: str) -> str:
    """What a server answers to a client's key."""
    return base64.b64encode(hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()


def frame(opcode: int, data: bytes, *, last: bool = True) -> bytes:
    """One frame as servers send it: without a mask."""
    first = (0x80 if last else 0) | opcode
    size = len(data)
    if size < 126:
        return struct.pack(">BB", first, size) + data
    if size < 65536:
        return struct.pack(">BBH", first, 126, size) + data
    return struct.pack(">BBQ", first, 127, size) + data


class Websocket:
    """The server's end of a websocket."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._lock = threading.Lock()

    def send(self, data: bytes, *, opcode: int = BINARY, last: bool = True) -> None:
        """Send one frame."""
        with self._lock:
            self.peer.send(frame(opcode, data, last=last))

    def close(self, code: int = 1000) -> None:
        """Say that this is the end."""
        self.send(struct.pack(">H", code), opcode=CLOSE)

    def next(self) -> tuple[int, bytes]:
        """The next frame: its kind and what it carries. A client must mask it."""
        first, second = self.peer.exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self.peer.exactly(2 if size == 126 else 8), "big")
        if not second & 0x80:
            raise AssertionError("a client's frame came without a mask")
        mask, data = self.peer.exactly(4), self.peer.exactly(size)
        pad = (mask * (size // 4 + 1))[:size]
        return first & 0x0F, (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")

    def receive(self) -> bytes:
        """What the next binary or text frame carries, empty when the client closed."""
        while True:
            opcode, data = self.next()
            if opcode == CLOSE:
                return b""
            if opcode in {BINARY, TEXT} and data:
                return data


def upgrade(peer: Peer, head: Head, protocol: str) -> Websocket:
    """Answer a websocket's handshake, choosing `protocol` (empty for none)."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(head.get('Sec-WebSocket-Key'))}",
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
    ]
    peer.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    return Websocket(peer)
