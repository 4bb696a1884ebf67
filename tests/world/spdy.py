"""The kubelet's end of a port-forward: SPDY/3.1 over an upgraded connection or through a websocket tunnel.

Frames are packed and read here from the draft's text, not with the client's code.
"""

from __future__ import annotations

import contextlib
import queue
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self

from tests.world.websockets import Head, Peer, Server, Websocket, upgrade

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
TUNNEL = "SPDY/3.1+portforward.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame: `kind` 0 is data, whose `number` is the stream."""

    kind: int
    number: int = 0
    flags: int = 0
    payload: bytes = b""

    def packed(self) -> bytes:
        """As it goes over the wire."""
        head = struct.pack(">HH", 0x8003, self.kind) if self.kind else struct.pack(">I", self.number)
        return head + bytes([self.flags]) + len(self.payload).to_bytes(3, "big") + self.payload


def frames(receive: Callable[[], bytes]) -> Iterator[Frame]:
    """The frames of a byte stream that comes in pieces; ends with an empty piece."""
    buffer = b""
    while piece := receive():
        buffer += piece
        while len(buffer) >= 8 and len(buffer) >= 8 + (size := int.from_bytes(buffer[5:8], "big")):
            first, flags, payload = int.from_bytes(buffer[:4], "big"), buffer[4], buffer[8 : 8 + size]
            buffer = buffer[8 + size :]
            if not first >> 31:
                yield Frame(kind=0, number=first, flags=flags, payload=payload)
                continue
            if first >> 16 != 0x8003:
                raise AssertionError(f"a control frame of another version: {first:#x}")
            yield Frame(kind=first & 0xFFFF, number=int.from_bytes(payload[:4], "big"), flags=flags, payload=payload)


def unpack_headers(block: bytes) -> dict[str, str]:
    """Name and value pairs of an inflated header block."""
    count, at, texts = int.from_bytes(block[:4], "big"), 4, []
    for _ in range(2 * count):
        size = int.from_bytes(block[at : at + 4], "big")
        texts.append(block[at + 4 : at + 4 + size].decode())
        at += 4 + size
    if at != len(block):
        raise AssertionError("a header block with something behind it")
    return dict(zip(texts[::2], texts[1::2], strict=True))


class Bytes(Protocol):
    """What frames travel on."""

    def send(self, data: bytes) -> None: ...
    def receive(self) -> bytes: ...


class Stream:
    """One stream as the pod's side sees it."""

    def __init__(self, session: Session, number: int, headers: dict[str, str]) -> None:
        self._session = session
        self.number = number
        self.headers = headers
        self.arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = False

    def read(self) -> bytes | None:
        """The next piece, `None` at the end."""
        return self.arrived.get(timeout=30)

    def read_all(self) -> bytes:
        """Everything until the end."""
        return b"".join(iter(self.read, None))

    def send(self, data: bytes) -> None:
        """Send all of `data`, in pieces as a kubelet does."""
        for start in range(0, len(data), 32768):
            self._session.send(Frame(kind=0, number=self.number, payload=data[start : start + 32768]))

    def end(self) -> None:
        """Say once that nothing more will come."""
        if not self._ended:
            self._ended = True
            self._session.send(Frame(kind=0, number=self.number, flags=FIN))

    def reset(self) -> None:
        """Break the stream off."""
        self._ended = True
        self._session.send(Frame(kind=RST_STREAM, payload=struct.pack(">II", self.number, 5)))


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One forwarded connection."""

    session: Session
    data: Stream
    errors: Stream

    @property
    def port(self) -> int:
        """The port in the pod that is meant."""
        return int(self.data.headers["port"])


App = Callable[[Conversation], None]


class Session:
    """One connection with its streams; `app` is run for each pair of them, on a thread of its own."""

    def __init__(self, wire: Bytes, app: App) -> None:
        self._wire = wire
        self._app = app
        self._lock = threading.Lock()
        self._inflate = zlib.decompressobj()
        self._deflate = zlib.compressobj()
        self._streams: dict[int, Stream] = {}
        self._pairs: dict[str, dict[str, Stream]] = {}
        self.resets: list[int] = []
        self.pings: queue.SimpleQueue[int] = queue.SimpleQueue()

    def send(self, one: Frame) -> None:
        """Send a frame."""
        with self._lock:
            self._wire.send(one.packed())

    def ping(self, number: int) -> None:
        """Ask whether the client is there."""
        self.send(Frame(kind=PING, payload=struct.pack(">I", number)))

    def go_away(self) -> None:
        """Say that this session takes no more streams."""
        self.send(Frame(kind=GOAWAY, payload=struct.pack(">II", 0, 0)))

    def run(self) -> None:
        """Serve until the other side ends."""
        try:
            for one in frames(self._wire.receive):
                self._handle(one)
        finally:
            for stream in self._streams.values():
                stream.arrived.put(None)

    def _handle(self, one: Frame) -> None:
        if one.kind == SYN_STREAM:
            self._open(one)
        elif one.kind == PING:
            self.pings.put(one.number)
            if one.number % 2:
                # The client's own: the other side answers it.
                self.send(one)
        elif one.kind == RST_STREAM:
            self.resets.append(one.number)
            self._streams[one.number].arrived.put(None)
        elif one.kind == 0:
            stream = self._streams[one.number]
            if one.payload:
                stream.arrived.put(one.payload)
            if one.flags & FIN:
                stream.arrived.put(None)

    def _open(self, one: Frame) -> None:
        headers = unpack_headers(self._inflate.decompress(one.payload[10:]))
        stream = self._streams[one.number] = Stream(self, one.number, headers)
        if one.flags & FIN:
            stream.arrived.put(None)
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.send(Frame(kind=SYN_REPLY, payload=struct.pack(">I", one.number) + block))
        pair = self._pairs.setdefault(headers["requestid"], {})
        pair[headers["streamtype"]] = stream
        if len(pair) == 2:
            conversation = Conversation(session=self, data=pair["data"], errors=pair["error"])
            threading.Thread(target=self._talk, args=(conversation,), daemon=True).start()

    def _talk(self, conversation: Conversation) -> None:
        # A client that went away is no news.
        with contextlib.suppress(OSError):
            self._app(conversation)
            conversation.errors.end()
            conversation.data.end()


@dataclass
class Pods:
    """An API server that forwards ports of pods, each an `App` by the pod's name.

    `refusal` is the status that a websocket is answered with, 101 for an upgrade without the protocol asked for;
    0 lets the tunnel through.
    """

    apps: dict[str, App]
    refusal: int = 0
    tls: ssl.SSLContext | None = None
    sessions: list[Session] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.server = Server(self._serve, tls=self.tls).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(*error)

    def _serve(self, peer: Peer) -> None:
        head = peer.head()
        if head is None:
            return
        pod = head.target.partition("?")[0].split("/")[-2]
        wire: Bytes
        app = self.apps.get(pod)
        if app is None:
            peer.answer(404, {"kind": "Status", "message": f'pods "{pod}" not found'})
            return
        if head.method == "GET" and self.refusal not in {0, 101}:
            peer.answer(self.refusal, {"kind": "Status", "message": "no websockets here"})
            return
        if head.method == "GET":
            wire = Tunnel(upgrade(peer, head, "" if self.refusal else TUNNEL))
        else:
            _switch(peer, head)
            wire = peer
        session = Session(wire, app)
        self.sessions.append(session)
        session.run()


class Tunnel:
    """Frames in the messages of a websocket."""

    def __init__(self, socket: Websocket) -> None:
        self._socket = socket

    def send(self, data: bytes) -> None:
        """Send a message."""
        self._socket.send(data)

    def receive(self) -> bytes:
        """The next message, empty at the end."""
        return self._socket.receive()


def _switch(peer: Peer, head: Head) -> None:
    if (head.get("Upgrade"), head.get("X-Stream-Protocol-Version")) != ("SPDY/3.1", "portforward.k8s.io"):
        raise AssertionError(f"not an upgrade to SPDY: {head}")
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
    )
