"""Port-forwarding, against a server that plays API server and kubelet on the frames themselves."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import select
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliumctl.clients.kube.forward import Forwarder, PodPort
from ciliumctl.clients.kube.spdy import Session
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.clients.kube.wire import PING_INTERVAL
from ciliumctl.errors import Forbidden, NotFound, Unreachable, UsageError
from ciliumctl.parallel import gather_all
from tests.unit.clients.kube.conftest import Certificates, client, transport
from tests.world import spdy
from tests.world.spdy import Conversation, Pods
from tests.world.websockets import Peer, Server

MEGABYTE = 1024 * 1024
#: Silences of a connection in an hour without a byte.
HOUR = round(3600 / PING_INTERVAL)
REFUSED = (
    "an error occurred forwarding 8080 -> 80: failed to connect to localhost:80 inside namespace: "
    "dial tcp4 127.0.0.1:80: connect: connection refused"
)


@dataclass
class Heard:
    """What the user was told; tests wait for a word instead of for some time."""

    said: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def next(self, words: str) -> str:
        """The next sentence with these words."""
        while True:
            sentence = self.said.get(timeout=20)
            if words in sentence:
                return sentence


def at(pod: str, port: int = 80) -> PodPort:
    return PodPort(namespace="kube-system", pod=pod, port=port)


@contextlib.contextmanager
def forwarding(
    pods: Pods,
    resolve: Callable[[], PodPort] = lambda: at("web"),
    *,
    patience: float = 20.0,
    heard: Heard | None = None,
    **options: Any,
) -> Iterator[Forwarder]:
    say = (heard or Heard()).said.put
    there = transport(pods.server.url, **options)
    with Forwarder(there, resolve, address="127.0.0.1", port=0, say=say, patience=patience, pause=0.01) as running:
        yield running


def dial(forwarder: Forwarder) -> socket.socket:
    return socket.create_connection((forwarder.address, forwarder.port), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 65536), b""))


def ask(forwarder: Forwarder, question: bytes) -> bytes:
    """Send a question, end it, and read the answer to its end."""
    with dial(forwarder) as connection:
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def echo(conversation: Conversation) -> None:
    while (piece := conversation.data.read()) is not None:
        conversation.data.send(piece)


def digest(conversation: Conversation) -> None:
    """Answer only when the question has ended: works with half-close alone."""
    conversation.data.send(hashlib.sha256(conversation.data.read_all()).hexdigest().encode())


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


# The way there


@pytest.mark.parametrize("refusal", [0, 101, 400, 403, 502])
def test_a_connection_is_carried_through_the_tunnel_or_the_older_upgrade(refusal: int) -> None:
    headers: list[dict[str, str]] = []

    def app(conversation: Conversation) -> None:
        headers.extend((conversation.errors.headers, conversation.data.headers))
        echo(conversation)

    with Pods({"web": app}, refusal=refusal) as pods:
        who: dict[str, Any] = {"as_user": "jane", "as_groups": ("dev", "ops")}
        with forwarding(pods, lambda: at("web", 8080), **who) as forwarder:
            assert ask(forwarder, b"hello") == b"hello"
            assert forwarder.connections == 1
        assert [head.method for head in pods.server.heads] == (["GET", "POST"] if refusal else ["GET"])
        for head in pods.server.heads:
            assert head.target.rstrip("?") == "/api/v1/namespaces/kube-system/pods/web/portforward"
            assert head.all("Impersonate-User") == ["jane"]
            assert head.all("Impersonate-Group") == ["dev", "ops"]
            assert head.all("Authorization") == ["Bearer secret-token"]
        assert pods.server.heads[0].get("Sec-WebSocket-Protocol") == "SPDY/3.1+portforward.k8s.io"
    assert headers == [
        {"port": "8080", "requestid": "0", "streamtype": "error"},
        {"port": "8080", "requestid": "0", "streamtype": "data"},
    ]


@pytest.mark.parametrize("refusal", [0, 400])
def test_an_api_server_behind_a_path_is_asked_there(refusal: int) -> None:
    with Pods({"web": echo}, refusal=refusal) as pods:
        there = transport(pods.server.url + "/k8s/clusters/c-abc")
        with Forwarder(there, lambda: at("web"), address="127.0.0.1", port=0, say=Heard().said.put) as forwarder:
            assert ask(forwarder, b"hello") == b"hello"
        assert all(head.target.startswith("/k8s/clusters/c-abc/api/v1/") for head in pods.server.heads)


@pytest.mark.parametrize("refusal", [0, 400])
def test_a_pod_that_does_not_exist_fails_at_the_start(refusal: int) -> None:
    with (
        Pods({}, refusal=refusal) as pods,
        pytest.raises(NotFound, match='pods "web" not found'),
        forwarding(pods),
    ):
        pass


def test_a_user_who_may_not_forward_is_told_at_the_start() -> None:
    def no(peer: Peer) -> None:
        peer.request()
        peer.answer(403, {"message": 'User "jane" cannot create resource "pods/portforward" in API group ""'})

    with Server(no) as server:
        forwarder = client(server.url).forward(lambda: at("web"), address="127.0.0.1", port=0, say=Heard().said.put)
        with pytest.raises(Forbidden, match="user `jane` may not create `pods/portforward`"):
            forwarder.start()
        forwarder.stop()
        assert [head.method for head in server.heads] == ["GET", "POST"]


def test_an_api_server_that_is_down_is_not_asked_in_another_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    there = transport(f"http://127.0.0.1:{port}")
    forwarder = Forwarder(there, lambda: at("web"), address="127.0.0.1", port=0, say=Heard().said.put)
    with pytest.raises(Unreachable, match="refuses the connection"):
        forwarder.start()
    forwarder.stop()
    assert there.requests == 0


# What is carried


@pytest.mark.parametrize("refusal", [0, 400])
def test_many_connections_share_one_session(refusal: int) -> None:
    with Pods({"web": digest}, refusal=refusal) as pods, forwarding(pods) as forwarder:
        questions = [bytes([number]) * 50_000 * (number % 3 + 1) for number in range(48)]
        answers = gather_all([partial(ask, forwarder, question) for question in questions], limit=48)
        assert answers == [sha(question) for question in questions]
        assert forwarder.connections == 48
        assert len(pods.sessions) == 1


def test_a_client_may_go_on_sending_when_the_pod_has_ended_its_side() -> None:
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def app(conversation: Conversation) -> None:
        conversation.data.send(b"that is all")
        conversation.errors.end()
        conversation.data.end()
        got.put(conversation.data.read_all())

    with Pods({"web": app}) as pods, forwarding(pods) as forwarder, dial(forwarder) as connection:
        assert read_all(connection) == b"that is all"
        connection.sendall(b"but I go on")
        connection.shutdown(socket.SHUT_WR)
        assert got.get(timeout=20) == b"but I go on"


@pytest.mark.parametrize("way", ["tunnel", "upgrade", "tls"])
def test_big_transfers_go_both_ways_at_once(certificates: Certificates, way: str) -> None:
    data = bytes(range(251)) * (8 * MEGABYTE // 251)
    tls = certificates.server(name="local") if way == "tls" else None
    cluster = {"certificate-authority": certificates.path("ca.crt")} if tls else {}
    with (
        Pods({"web": echo}, refusal=400 if way == "upgrade" else 0, tls=tls) as pods,
        forwarding(pods, cluster=cluster) as forwarder,
        dial(forwarder) as connection,
    ):
        back: list[bytes] = []
        reader = threading.Thread(target=lambda: back.append(read_all(connection)), daemon=True)
        reader.start()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reader.join(30)
        assert sha(back[0]) == sha(data)


def test_a_client_that_hangs_up_in_a_big_download_holds_up_nobody() -> None:
    def app(conversation: Conversation) -> None:
        if conversation.data.read() == b"big":
            while True:
                conversation.data.send(b"x" * MEGABYTE)
        conversation.data.send(b"small")

    with Pods({"web": app}) as pods, forwarding(pods) as forwarder:
        for _ in range(3):
            with dial(forwarder) as connection:
                connection.sendall(b"big")
                assert connection.recv(1)
        # What is still sent for the streams that were given up is thrown away, and this answer comes through.
        with dial(forwarder) as connection:
            connection.sendall(b"?")
            assert connection.recv(5) == b"small"
        assert len(pods.sessions) == 1


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    with Pods({"web": digest}) as pods, forwarding(pods) as forwarder, dial(forwarder), dial(forwarder):
        assert ask(forwarder, b"hello") == sha(b"hello")


# What goes wrong


def test_a_port_that_is_closed_in_the_pod_ends_the_connection_with_the_reason() -> None:
    heard = Heard()

    def app(conversation: Conversation) -> None:
        conversation.errors.send(REFUSED.encode())

    with Pods({"web": app}) as pods, forwarding(pods, patience=0.05, heard=heard) as forwarder:
        with dial(forwarder) as connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        assert heard.next("a connection was closed").endswith("connect: connection refused")


def test_a_request_that_met_a_closed_port_is_sent_again_until_the_port_opens() -> None:
    tries = iter(range(10))

    def app(conversation: Conversation) -> None:
        if next(tries) < 2:
            conversation.errors.send(REFUSED.encode())
        else:
            digest(conversation)

    with Pods({"web": app}) as pods, forwarding(pods) as forwarder:
        assert ask(forwarder, b"hello" * 1000) == sha(b"hello" * 1000)
        assert next(tries) == 3


def test_an_answer_that_the_pod_breaks_off_is_not_taken_for_a_whole_one() -> None:
    heard = Heard()

    def app(conversation: Conversation) -> None:
        conversation.data.send(b"half of")
        conversation.errors.send(b"read tcp 127.0.0.1:80: connection reset by peer")

    with Pods({"web": app}) as pods, forwarding(pods, heard=heard) as forwarder, dial(forwarder) as connection:
        with pytest.raises(ConnectionResetError):
            read_all(connection)
        assert "read tcp 127.0.0.1:80: connection reset by peer" in heard.next("the pod's side reports")


@pytest.mark.parametrize("way", ["end", "go away"])
def test_an_answer_that_the_session_breaks_off_is_not_taken_for_a_whole_one(way: str) -> None:
    heard = Heard()

    def app(conversation: Conversation) -> None:
        conversation.data.send(b"half of")
        if way == "end":
            pods.server.drop()
        else:
            conversation.session.go_away()
        conversation.data.read()

    with Pods({"web": app}) as pods, forwarding(pods, heard=heard) as forwarder, dial(forwarder) as connection:
        with pytest.raises(ConnectionResetError):
            read_all(connection)
        heard.next("a connection was closed: the connection to the API server was cut")


@pytest.mark.parametrize("way", ["drop", "go away"])
@pytest.mark.parametrize("refusal", [0, 400])
def test_the_next_connection_gets_a_new_session_when_the_last_one_ended(way: str, refusal: int) -> None:
    with Pods({"web": echo}, refusal=refusal) as pods, forwarding(pods) as forwarder:
        assert ask(forwarder, b"one") == b"one"
        if way == "drop":
            pods.server.drop()
        else:
            pods.sessions[0].go_away()
        assert ask(forwarder, b"two") == b"two"
        assert len(pods.sessions) == 2


def test_a_request_without_an_answer_yet_is_sent_again_when_the_session_breaks() -> None:
    tries = iter(range(10))

    def app(conversation: Conversation) -> None:
        if next(tries) == 0:
            assert conversation.data.read() == b"hello"
            pods.server.drop()
        else:
            digest(conversation)

    with Pods({"web": app}) as pods, forwarding(pods) as forwarder:
        assert ask(forwarder, b"hello") == sha(b"hello")
        assert len(pods.sessions) == 2


def test_a_pod_that_was_replaced_is_followed_and_the_user_told() -> None:
    heard = Heard()
    names = ["web-1"]
    with (
        Pods({"web-1": echo, "web-2": digest}) as pods,
        forwarding(pods, lambda: at(names[-1]), heard=heard) as forwarder,
    ):
        assert ask(forwarder, b"hello") == b"hello"
        del pods.apps["web-1"]
        names.append("web-2")
        pods.server.drop()
        assert ask(forwarder, b"hello") == sha(b"hello")
        assert heard.next("web-1") == "pod `web-1` is gone; forwarding to `web-2` now"


def test_a_pod_that_comes_back_later_is_waited_for() -> None:
    heard = Heard()
    with Pods({"web": echo}) as pods, forwarding(pods, heard=heard) as forwarder:
        app = pods.apps.pop("web")
        pods.server.drop()
        with dial(forwarder) as connection:
            connection.sendall(b"hello")
            heard.next("waiting: the API server")
            pods.apps["web"] = app
            assert connection.recv(5) == b"hello"


def test_a_pod_that_does_not_come_back_is_given_up() -> None:
    heard = Heard()
    with Pods({"web": echo}) as pods, forwarding(pods, heard=heard, patience=0.05) as forwarder:
        pods.apps.clear()
        pods.server.drop()
        with dial(forwarder) as connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        assert 'pods "web" not found' in heard.next("a connection was closed")


def test_the_server_s_pings_are_answered_and_odd_ones_are_not() -> None:
    with Pods({"web": echo}) as pods, forwarding(pods) as forwarder:
        assert ask(forwarder, b"hello") == b"hello"
        for number in (3, 2, 4):
            pods.sessions[0].ping(number)
        assert [pods.sessions[0].pings.get(timeout=20) for _ in range(2)] == [2, 4]


# The local port


def test_a_port_that_another_program_has_is_said() -> None:
    with Pods({"web": echo}) as pods, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on `127.0.0.1` is in use") as caught:
            client(pods.server.url).forward(lambda: at("web"), address="127.0.0.1", port=port, say=print)
        assert "0 for a free one" in caught.value.hint
        assert pods.server.heads == []


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on `192\.0\.2\.1`"):
        client("http://127.0.0.1:1").forward(lambda: at("web"), address="192.0.2.1", port=0, say=print)


def test_stop_gives_the_port_back_and_ends_the_connections() -> None:
    with Pods({"web": echo}) as pods:
        with forwarding(pods) as forwarder:
            connection = dial(forwarder)
            connection.sendall(b"hello")
            assert connection.recv(5) == b"hello"
            forwarder.stop()
            with connection, contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                dial(forwarder)
        with Forwarder(
            transport(pods.server.url), lambda: at("web"), address="127.0.0.1", port=forwarder.port, say=print
        ) as again:
            assert again.port == forwarder.port
            assert ask(again, b"hello") == b"hello"


def test_stop_ends_a_wait_for_a_pod_at_once() -> None:
    heard = Heard()
    with Pods({"web": echo}) as pods, forwarding(pods, heard=heard, patience=3600.0) as forwarder:
        pods.apps.clear()
        pods.server.drop()
        with dial(forwarder) as connection:
            heard.next("waiting: ")
            forwarder.stop()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_waiting_ends_when_somebody_stops_the_forwarding() -> None:
    with Pods({"web": echo}) as pods, forwarding(pods) as forwarder:
        waiting = threading.Thread(target=forwarder.wait, daemon=True)
        waiting.start()
        assert waiting.is_alive()
        forwarder.stop()
        waiting.join(20)
        assert not waiting.is_alive()


# Frames


class Line:
    """A wire in memory: what is put in comes out in pieces of our choice."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def send(self, data: bytes) -> None:
        self.out += data

    def receive(self) -> bytes:
        return self.pieces.get(timeout=30)

    def close(self) -> None:
        self.pieces.put(b"")


def cut_up(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """All of `data`, in pieces of these sizes and a rest; then the end."""
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    yield data[start:]
    yield b""


NAMES = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20), st.text(max_size=200), max_size=5
)
SIZES = st.lists(st.integers(1, 300), max_size=40)


@settings(max_examples=60)
@given(opened=st.lists(st.tuples(NAMES, st.binary(max_size=70_000), st.booleans()), max_size=4), sizes=SIZES)
def test_what_the_client_packs_the_other_side_reads(
    opened: list[tuple[dict[str, str], bytes, bool]], sizes: list[int]
) -> None:
    line = Line()
    session = Session(line)
    for headers, data, end in opened:
        stream = session.open(headers)
        stream.send(data)
        if end:
            stream.end()
    session.close()
    pieces = (piece for piece in cut_up(bytes(line.out), sizes) if piece)
    read = list(spdy.frames(lambda: next(pieces, b"")))
    inflate = zlib.decompressobj()
    found: dict[int, tuple[dict[str, str], bytes, bool]] = {}
    for frame in read:
        if frame.kind == spdy.SYN_STREAM:
            found[frame.number] = (spdy.unpack_headers(inflate.decompress(frame.payload[10:])), b"", False)
        else:
            headers, data, _end = found[frame.number]
            found[frame.number] = (headers, data + frame.payload, bool(frame.flags & spdy.FIN))
    assert list(found.values()) == opened
    assert [number % 2 for number in found] == [1] * len(opened)


@settings(max_examples=60)
@given(
    sent=st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=2000)), max_size=12),
    noise=st.sampled_from([spdy.PING, spdy.SYN_REPLY, 4, 8, 9]),
    sizes=SIZES,
)
def test_what_the_other_side_packs_the_client_reads_in_whatever_pieces(
    sent: list[tuple[int, bytes]], noise: int, sizes: list[int]
) -> None:
    line = Line()
    session = Session(line)
    streams = [session.open({"number": str(number)}) for number in range(3)]
    packed = [spdy.Frame(kind=noise, payload=b"\0\0\0\1\0\0\0\0")]
    packed += [spdy.Frame(kind=0, number=streams[which].number, payload=data) for which, data in sent]
    packed += [spdy.Frame(kind=0, number=stream.number, flags=spdy.FIN) for stream in streams]
    for piece in cut_up(b"".join(frame.packed() for frame in packed), sizes):
        if piece:
            line.pieces.put(piece)
    got = [b"".join(iter(stream.read, None)) for stream in streams]
    session.close()
    assert got == [b"".join(data for which, data in sent if which == number) for number in range(3)]


def test_a_session_that_ended_opens_nothing_more() -> None:
    line = Line()
    session = Session(line)
    stream = session.open({})
    session.close()
    assert stream.read() is None
    with pytest.raises(OSError, match="closed"):
        session.open({})
    with pytest.raises(OSError, match="closed"):
        stream.send(b"x")
    stream.reset()


def test_a_stream_that_was_given_up_holds_up_no_other() -> None:
    line = Line()
    session = Session(line)
    big, small = session.open({}), session.open({})
    for _ in range(200):
        line.pieces.put(spdy.Frame(kind=0, number=big.number, payload=b"x" * 1000).packed())
    assert big.read() is not None
    big.reset()
    line.pieces.put(spdy.Frame(kind=0, number=small.number, payload=b"here").packed())
    assert small.read(timeout=20) == b"here"
    session.close()


def test_a_silent_connection_is_asked_once_and_then_given_up() -> None:
    class Silent(Line):
        def receive(self) -> bytes:
            raise TimeoutError

    line = Silent()
    session = Session(line)
    assert session.closed.wait(20)
    (ping,) = spdy.frames(iter([bytes(line.out), b""]).__next__)
    assert (ping.kind, ping.number) == (spdy.PING, 1)


def test_an_hour_without_a_byte_keeps_the_session_and_its_streams_as_long_as_the_other_side_answers() -> None:
    over = threading.Event()

    class Idle(Line):
        """Each look at it is a time-out of the socket, after which the other side answers what it was asked."""

        silences = 0

        def receive(self) -> bytes:
            with contextlib.suppress(queue.Empty):
                return self.pieces.get_nowait()
            if self.silences == HOUR:
                over.set()
                return super().receive()
            self.silences += 1
            raise TimeoutError

        def send(self, data: bytes) -> None:
            super().send(data)
            if data[:4] == bytes([0x80, 3, 0, spdy.PING]):
                self.pieces.put(data)

    line = Idle()
    session = Session(line)
    stream = session.open({})
    line.pieces.put(spdy.Frame(kind=0, number=stream.number, payload=b"still here").packed())
    assert stream.read(timeout=20) == b"still here"
    assert over.wait(20)
    line.pieces.put(spdy.Frame(kind=0, number=stream.number, payload=b"an hour later").packed())
    assert stream.read(timeout=20) == b"an hour later"
    pings = [one for one in spdy.frames(iter([bytes(line.out), b""]).__next__) if one.kind == spdy.PING]
    assert len(pings) == HOUR
    assert not session.closed.is_set()
    session.close()


class Idle(socket.socket):
    """A socket for which time passes quickly: nothing there is 20 seconds of silence, unless an answer is owed."""

    silences = 0
    owed = False

    def recv(self, *args: Any) -> bytes:
        """What is there; a time-out at once when nothing is, and the connection is up."""
        hurried = self.gettimeout() == PING_INTERVAL and self.silences < HOUR and not self.owed
        if hurried and not select.select([self], [], [], 0)[0]:
            self.silences += 1
            self.owed = True
            raise TimeoutError
        self.owed = False
        return super().recv(*args)


class Hurried(Transport):
    """A connection to the API server over such sockets."""

    def open_socket(self) -> Idle:
        """A new one."""
        plain = super().open_socket()
        assert isinstance(plain, socket.socket)
        seconds = plain.gettimeout()
        self.idle = Idle(fileno=plain.detach())
        self.idle.settimeout(seconds)
        return self.idle


@pytest.mark.parametrize("refusal", [0, 403])
def test_a_connection_is_carried_on_after_an_hour_in_which_nobody_said_a_word(refusal: int) -> None:
    with Pods({"web": echo}, refusal=refusal) as pods:
        there = Hurried(transport(pods.server.url).context, environ={}, request_timeout=10.0)
        with (
            Forwarder(there, lambda: at("web"), address="127.0.0.1", port=0, say=Heard().said.put) as forwarder,
            dial(forwarder) as connection,
        ):
            connection.sendall(b"before")
            assert connection.recv(6) == b"before"
            (session,) = pods.sessions
            for _ in range(HOUR):
                session.pings.get(timeout=20)
            connection.sendall(b"after")
            assert connection.recv(5) == b"after"
            assert there.idle.silences == HOUR
            assert pods.sessions == [session]


def test_a_server_that_ends_idle_sessions_is_connected_to_again_and_again() -> None:
    with Pods({"web": echo}) as pods, forwarding(pods) as forwarder:
        for number in range(4):
            # As with `streamingConnectionIdleTimeout`: nothing is open, and the server has had enough.
            text = str(number).encode()
            assert ask(forwarder, text) == text
            pods.sessions[-1].go_away()
        assert ask(forwarder, b"last") == b"last"
        assert len(pods.sessions) == 5


def test_a_write_that_fails_ends_the_session_because_half_a_frame_may_be_out() -> None:
    class Stuck(Line):
        def send(self, data: bytes) -> None:
            raise TimeoutError(f"timed out with {len(data)} bytes")

    session = Session(Stuck())
    with pytest.raises(TimeoutError):
        session.open({})
    assert session.closed.is_set()


def test_what_had_come_before_the_end_can_still_be_read() -> None:
    line = Line()
    session = Session(line)
    stream = session.open({})
    for number in range(10):
        line.pieces.put(spdy.Frame(kind=0, number=stream.number, payload=bytes([number])).packed())
    line.pieces.put(b"")
    assert session.closed.wait(20)
    assert b"".join(iter(stream.read, None)) == bytes(range(10))
    assert stream.broken
