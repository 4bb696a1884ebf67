"""The part of SPDY/3.1 that Kubernetes' port-forward needs: many two-way streams over one connection.

The websocket variant of port-forward cannot close one direction of a connection and keep the other, SPDY can. Frame
layout: the SPDY/3.1 draft, sections 2.2 and 2.6.
"""

from __future__ import annotations

import contextlib
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping

from ciliumctl.clients.kube.wire import Wire

_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_FIN = 0x01
_FRAME = 32 * 1024
_QUEUE = 64


class Stream:
    """One two-way stream. Reads block; `None` is the end."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number
        self._changed = threading.Condition()
        self._arrived: deque[bytes] = deque()
        self._over = False
        #: Whether the stream ended because the session did, and not by the other side's will.
        self.broken = False

    def send(self, data: bytes) -> None:
        """Send all of `data`. Raises `OSError` when the session is gone."""
        for start in range(0, len(data), _FRAME):
            self._session.send_data(self.number, data[start : start + _FRAME])

    def end(self) -> None:
        """Say that nothing more will be sent; the other direction stays open."""
        self._session.send_data(self.number, b"", fin=True)

    def read(self, timeout: float | None = None) -> bytes | None:
        """The next piece, `None` at the end. Raises `TimeoutError` after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._arrived or self._over, timeout):
                raise TimeoutError
            self._changed.notify_all()
            return self._arrived.popleft() if self._arrived else None

    def reset(self) -> None:
        """Give the stream up in both directions."""
        with self._changed:
            self._over = True
            self._arrived.clear()
            self._changed.notify_all()
        self._session.reset(self.number)

    def deliver(self, piece: bytes) -> None:
        """Called by the session's reader; blocks while the consumer is behind, which slows the sender down."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._arrived) < _QUEUE)
            if not self._over:
                self._arrived.append(piece)
                self._changed.notify_all()

    def finish(self, *, broken: bool = False) -> None:
        """Called by the session: nothing more will come. What has come can still be read."""
        with self._changed:
            if not self._over:
                self._over, self.broken = True, broken
                self._changed.notify_all()


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
            with contextlib.suppress(OSError), self._lock:
                self._send(_control(_RST_STREAM, struct.pack(">II", number, cancel)))

    def close(self) -> None:
        """End the session and all its streams."""
        if not self.closed.is_set():
            self.closed.set()
            self._wire.close()
        for stream in list(self._streams.values()):
            stream.finish(broken=True)
        self._streams.clear()

    def _send(self, frame: bytes) -> None:
        if self.closed.is_set():
            raise ConnectionResetError("the port-forward session is closed")
        try:
            self._wire.send(frame)
        except OSError:
            # Half a frame may be out: nothing that follows it would be understood.
            self.close()
            raise

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
                    stream.finish()
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
                stream.finish()
        return True


def _control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, (flags << 24) | len(payload)) + payload


def _frame_size(buffer: bytearray) -> int | None:
    if len(buffer) < 8:
        return None
    size = 8 + (struct.unpack(">I", buffer[4:8])[0] & 0xFFFFFF)
    return size if len(buffer) >= size else None
