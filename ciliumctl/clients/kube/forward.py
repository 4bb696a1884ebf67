"""Forward local TCP connections into a pod, and go on when the pod or the API server is replaced."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ciliumctl.clients.kube.resources import PODS
from ciliumctl.clients.kube.sockets import listen
from ciliumctl.clients.kube.spdy import Session, Stream
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.clients.kube.wire import open_wire
from ciliumctl.errors import ApiFailed, CiliumctlError
from ciliumctl.wait import Deadline

PATIENCE = 30.0
_HOLD = 256 * 1024
# What a kubelet says before a single byte has reached the container.
_NOT_DIALLED = (
    "dial ",
    "failed to connect",
    "sandbox",
    "network namespace",
    "not found",
    "pod does not exist",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPort:
    """One port of one pod."""

    namespace: str
    pod: str
    port: int


class Forwarder:
    """Listens locally and carries each connection to the pod that `resolve` names.

    `resolve` is asked again whenever the last pod fails; `say` hears what a user should know, one sentence each.
    """

    def __init__(
        self,
        transport: Transport,
        resolve: Callable[[], PodPort],
        *,
        address: str,
        port: int,
        say: Callable[[str], None],
        patience: float = PATIENCE,
        pause: float = 1.0,
    ) -> None:
        self._transport = transport
        self._resolve = resolve
        self._say = say
        self._patience = patience
        self._pause = pause
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._target: PodPort | None = None
        self._requests = itertools.count()
        self._stopped = threading.Event()
        self.connections = 0
        self._listener = listen(address, port)
        self.address, self.port = self._listener.getsockname()[:2]

    def start(self) -> None:
        """Connect to the pod once, so that a wrong target fails now, then accept in the background."""
        self._live_session()
        threading.Thread(target=self._accept, name="port-forward", daemon=True).start()

    def wait(self) -> None:
        """Sleep until `stop` is called."""
        # A bounded wait lets Ctrl-C through on every platform.
        while not self._stopped.wait(3600.0):
            pass

    def stop(self) -> None:
        """Close the listener and every connection."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # Without the lock: a session that is just being opened looks itself whether we stopped.
        session = self._session
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        held = _Held()
        with connection:
            try:
                self._carry(connection, held)
            except (OSError, CiliumctlError) as error:
                _break_off(connection)
                if not self._stopped.is_set():
                    self._say(f"a connection was closed: {error}")
            # The thread that reads from the client wakes, or the connection would stay open until the client ends it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            if held.upward is not None:
                held.upward.join(1.0)

    def _carry(self, connection: socket.socket, held: _Held) -> None:
        deadline = Deadline.after(self._patience)
        while True:
            session = self._live_session(deadline)
            try:
                problem = self._carry_over(session, connection, held)
            except OSError:
                # The session broke: nothing else in there lets an `OSError` out.
                problem = "the connection to the API server was cut"
            if not problem:
                return
            self._drop(session)
            if not held.complete or deadline.passed or self._stopped.is_set():
                raise ApiFailed(problem)
            self._stopped.wait(deadline.left(self._pause / 2))

    def _carry_over(self, session: Session, connection: socket.socket, held: _Held) -> str:
        """Carry one connection; returns why it never reached the pod, empty when it did."""
        target = self._target
        port = str(target.port if target else 0)
        headers = {"port": port, "requestid": str(next(self._requests))}
        errors = session.open({**headers, "streamtype": "error"}, fin=True)
        data = session.open({**headers, "streamtype": "data"})
        if held.attach(data):
            held.upward = threading.Thread(target=_upward, args=(connection, held), daemon=True)
            held.upward.start()
        arrived = False
        while (piece := data.read()) is not None:
            arrived = True
            held.release()
            try:
                connection.sendall(piece)
            except OSError:
                # The client hung up; the pod need not go on.
                data.reset()
                return ""
        said = _read_all(errors)
        if not arrived and held.complete and not self._stopped.is_set():
            if session.closed.is_set() and not said:
                raise ConnectionResetError
            if any(words in said for words in _NOT_DIALLED):
                return said
        if said:
            raise ApiFailed(f"the pod's side reports: {said}")
        if data.broken:
            raise ConnectionResetError
        # The pod's side is done; the client may still send until it ends its own.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        if held.upward is not None:
            held.upward.join()
        data.reset()
        return ""

    def _live_session(self, deadline: Deadline | None = None) -> Session:
        """The session to use, opened anew when the last one is gone; tried until `deadline` when one is given."""
        while True:
            if self._stopped.is_set():
                raise ApiFailed("the forwarding was stopped")
            with self._lock:
                if self._session is not None and not self._session.closed.is_set():
                    return self._session
                try:
                    return self._open_session()
                except CiliumctlError as error:
                    if deadline is None or deadline.passed or self._stopped.is_set():
                        raise
                    self._say(f"waiting: {error.message}")
            self._stopped.wait(deadline.left(self._pause))

    def _open_session(self) -> Session:
        before = self._target
        target = self._resolve()
        path = PODS.path(namespace=target.namespace, name=target.pod, subresource="portforward")
        session = self._session = Session(open_wire(self._transport, path))
        self._target = target
        if self._stopped.is_set():
            session.close()
        if before is not None and before.pod != target.pod:
            self._say(f"pod `{before.pod}` is gone; forwarding to `{target.pod}` now")
        return session

    def _drop(self, session: Session) -> None:
        with self._lock:
            if self._session is session:
                self._session = None
        session.close()


class _Held:
    """What a client has sent before its first answer, kept so that it can be sent again to another pod."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = bytearray()
        self._ended = False
        self._stream: Stream | None = None
        self.complete = True
        self.upward: threading.Thread | None = None

    def attach(self, stream: Stream) -> bool:
        """Make `stream` the one to send to, and send it all that is held. Returns whether it is the first."""
        with self._lock:
            first = self._stream is None
            self._stream = stream
            if self._bytes:
                stream.send(bytes(self._bytes))
            if self._ended:
                stream.end()
            return first

    def add(self, piece: bytes) -> Stream | None:
        """Keep one more piece, empty for the end, and return the stream that it goes to now.

        The caller sends it without the lock: a stream that was replaced meanwhile fails, and its successor was given
        this piece with the rest.
        """
        with self._lock:
            if self.complete:
                self._bytes += piece
                if len(self._bytes) > _HOLD:
                    self.release()
            self._ended = not piece
            return self._stream

    def release(self) -> None:
        """Keep nothing more: the pod has answered, or it is too much."""
        if self.complete:
            self.complete = False
            self._bytes.clear()


def _upward(connection: socket.socket, held: _Held) -> None:
    """Carry what the client sends to the stream of the moment, until the client ends."""
    piece = b"."
    while piece:
        try:
            piece = connection.recv(65536)
        except OSError:
            piece = b""
        stream = held.add(piece)
        try:
            if stream is not None and piece:
                stream.send(piece)
            elif stream is not None:
                stream.end()
        except OSError:
            if not held.complete:
                return


def _break_off(connection: socket.socket) -> None:
    """Let a connection end with a reset, so that no client takes what it got for the whole answer."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_all(stream: Stream) -> str:
    pieces = []
    try:
        while (piece := stream.read(timeout=2.0)) is not None:
            pieces.append(piece)
    except TimeoutError:
        pass
    return b"".join(pieces).decode("utf-8", "replace").strip()
