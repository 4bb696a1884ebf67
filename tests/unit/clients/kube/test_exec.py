"""Commands in containers, against a websocket server that plays the kubelet."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from ciliumctl.errors import ApiFailed, ClusterError, Forbidden, NotFound, TimedOut, Unreachable
from ciliumctl.parallel import gather_all
from ciliumctl.wait import Deadline
from tests.unit.clients.kube.conftest import Certificates, client
from tests.world.websockets import BINARY, PING, PONG, TEXT, Head, Peer, Server, Websocket, upgrade

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = b"\0", b"\1", b"\2", b"\3", b"\4", b"\xff"
Program = Callable[[Websocket], None]
MEGABYTE = 1024 * 1024


def container(program: Program, *, protocol: str = V5) -> Callable[[Peer], None]:
    """Run `program` for every exec."""

    def serve(peer: Peer) -> None:
        head = peer.head()
        if head is not None:
            program(upgrade(peer, head, protocol))
            # Let the client be the one who hangs up: an early end could overtake what was sent.
            with contextlib.suppress(OSError):
                peer.exactly(1 << 30)

    return serve


def ended(code: int = 0) -> bytes:
    """The frame that says how the command went."""
    if not code:
        return ERROR + json.dumps({"metadata": {}, "status": "Success"}).encode()
    cause = {"reason": "ExitCode", "message": str(code)}
    status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}
    return ERROR + json.dumps({**status, "message": f"command terminated with exit code {code}"}).encode()


def echo(socket: Websocket) -> None:
    """What `cat` does: give back each piece of input at once, and end with it."""
    while frame := socket.receive():
        if frame == CLOSE + STDIN:
            socket.send(ended())
            return
        assert frame[:1] == STDIN
        socket.send(STDOUT + frame[1:])


@pytest.mark.parametrize("protocol", [V5, V4])
@pytest.mark.parametrize("code", [0, 1, 137])
def test_both_outputs_and_the_exit_code_come_back(protocol: str, code: int) -> None:
    def program(socket: Websocket) -> None:
        socket.send(STDOUT)
        socket.send(STDOUT + b"KubeProxyReplacement: ")
        socket.send(STDERR + b"a warning\n")
        socket.send(STDOUT + b"True\n")
        socket.send(ended(code))

    with Server(container(program, protocol=protocol)) as server:
        done = client(server.url).exec("kube-system", "cilium-x", ["cilium-dbg", "status"])
    assert (done.code, done.stdout, done.stderr) == (code, b"KubeProxyReplacement: True\n", b"a warning\n")
    assert done.text == "KubeProxyReplacement: True"


def test_the_request_says_what_to_run_where_and_as_whom() -> None:
    with Server(container(lambda socket: socket.send(ended()))) as server:
        kube = client(server.url + "/k8s/clusters/c-abc", as_user="jane", as_groups=("dev", "ops"), as_uid="42")
        kube.exec("kube-system", "cilium-x", ["sh", "-c", "echo a&b"], container="cilium-agent")
        (head,) = server.heads
        assert kube.requests == 1
    parts = urlsplit(head.target)
    assert parts.path == "/k8s/clusters/c-abc/api/v1/namespaces/kube-system/pods/cilium-x/exec"
    query = parse_qsl(parts.query)
    assert [value for name, value in query if name == "command"] == ["sh", "-c", "echo a&b"]
    assert {name: value for name, value in query if name != "command"} == {
        "stdout": "true",
        "stderr": "true",
        "stdin": "false",
        "tty": "false",
        "container": "cilium-agent",
    }
    assert head.get("Sec-WebSocket-Protocol").replace(" ", "") == f"{V5},{V4}"
    assert head.all("Authorization") == ["Bearer secret-token"]
    assert head.all("Impersonate-User") == ["jane"]
    assert head.all("Impersonate-Group") == ["dev", "ops"]
    assert head.all("Impersonate-Uid") == ["42"]
    assert head.all("Origin") == []


def test_binary_output_of_some_megabytes_comes_back_unchanged() -> None:
    block = bytes(range(256)) * 256

    def program(socket: Websocket) -> None:
        for _ in range(64):
            socket.send(STDOUT + block)
        socket.send(ended())

    with Server(container(program)) as server:
        assert client(server.url).exec("x", "y", ["cat", "file"]).stdout == block * 64


def test_input_of_some_megabytes_goes_in_while_the_output_comes_back() -> None:
    data = bytes(range(256)) * 4096 * 8
    with Server(container(echo)) as server:
        done = client(server.url, timeout=5).exec("x", "y", ["cat"], stdin=data)
    assert done.code == 0
    assert done.stdout == data


def test_a_command_that_writes_much_before_it_reads_does_not_stop_both_sides() -> None:
    got = bytearray()

    def program(socket: Websocket) -> None:
        socket.send(STDOUT + b"x" * 16 * MEGABYTE)
        while (frame := socket.receive()) != CLOSE + STDIN:
            got.extend(frame[1:])
        socket.send(ended())

    with Server(container(program)) as server:
        done = client(server.url, timeout=2).exec("x", "y", ["sh"], stdin=b"y" * 16 * MEGABYTE)
    assert done.stdout == b"x" * 16 * MEGABYTE
    assert got == b"y" * 16 * MEGABYTE


def test_input_and_output_cross_unharmed_inside_tls(certificates: Certificates) -> None:
    data = bytes(range(256)) * 4096 * 4
    cluster = {"certificate-authority": certificates.path("ca.crt")}
    with Server(container(echo), tls=certificates.server(name="local")) as server:
        kube = client(server.url, cluster=cluster)
        done = gather_all([partial(kube.exec, "x", "y", ["cat"], stdin=data) for _ in range(2)])
    assert [one.stdout == data for one in done] == [True, True]


def test_a_command_that_does_not_read_its_input_still_ends() -> None:
    def program(socket: Websocket) -> None:
        socket.send(STDOUT + b"no, thanks")
        socket.send(ended(2))

    with Server(container(program)) as server:
        done = client(server.url).exec("x", "y", ["true"], stdin=b"x" * 16 * MEGABYTE)
    assert (done.code, done.stdout) == (2, b"no, thanks")


def test_the_input_s_end_is_told_only_where_the_protocol_can() -> None:
    got: dict[str, list[bytes]] = {V5: [], V4: []}

    def program(protocol: str, socket: Websocket) -> None:
        got[protocol].append(socket.receive())
        if protocol == V5:
            got[protocol].append(socket.receive())
        socket.send(ended())

    for protocol in got:
        with Server(container(partial(program, protocol), protocol=protocol)) as server:
            client(server.url).exec("x", "y", ["cat"], stdin=b"abc")
    assert got == {V5: [STDIN + b"abc", CLOSE + STDIN], V4: [STDIN + b"abc"]}


def test_an_interactive_command_gets_input_and_the_terminal_s_size_as_they_come() -> None:
    got: list[bytes] = []

    def program(socket: Websocket) -> None:
        got.extend(socket.receive() for _ in range(2))
        socket.send(STDOUT + b"$ ")
        got.append(socket.receive())
        socket.send(ended())

    with (
        Server(container(program)) as server,
        client(server.url).open_exec("x", "y", ["sh"], stdin=True, tty=True) as running,
    ):
        running.resize(80, 24)
        running.send(b"ls\n")
        frames = running.frames(Deadline.after(20))
        assert next(frames) == ("stdout", b"$ ")
        running.end_input()
        assert list(frames) == []
        assert running.exit_code == 0
        assert "stderr=false" in server.heads[0].target
    assert got[0][:1] == RESIZE
    assert json.loads(got[0][1:]) == {"Width": 80, "Height": 24}
    assert got[1:] == [STDIN + b"ls\n", CLOSE + STDIN]


def test_pieces_of_frames_and_pings_between_them_are_put_in_order() -> None:
    answers = []

    def program(socket: Websocket) -> None:
        socket.send(STDOUT + b"one ", last=False)
        socket.send(b"anyone?", opcode=PING)
        socket.send(b"two", opcode=0)
        answers.append(socket.next())
        socket.send(STDERR + b"text", opcode=TEXT)
        socket.send(b"", opcode=BINARY)
        socket.send(b"\x09unknown channel")
        socket.send(ended())

    with Server(container(program)) as server:
        done = client(server.url).exec("x", "y", ["z"])
    assert (done.stdout, done.stderr) == (b"one two", b"text")
    assert answers == [(PONG, b"anyone?")]


def test_a_command_that_does_not_end_is_left_at_its_deadline() -> None:
    gone = threading.Event()

    def program(socket: Websocket) -> None:
        socket.send(STDOUT + b"working")
        with contextlib.suppress(OSError):
            socket.receive()
        gone.set()

    with Server(container(program)) as server:
        with pytest.raises(TimedOut, match="did not end in time"):
            client(server.url).exec("x", "y", ["sleep", "inf"], timeout=0.1)
        assert gone.wait(20)


def test_a_command_that_talks_all_the_time_is_left_at_its_deadline_too() -> None:
    def program(socket: Websocket) -> None:
        while True:
            socket.send(STDOUT + b"y\n")

    with Server(container(program)) as server, pytest.raises(TimedOut):
        client(server.url).exec("x", "y", ["yes"], timeout=0.1)


def test_the_command_line_s_deadline_counts_for_a_command_in_a_container() -> None:
    with Server(container(lambda socket: socket.send(STDOUT + b"."))) as server:
        kube = client(server.url)
        kube.deadline = Deadline.after(0.1)
        with pytest.raises(TimedOut):
            kube.exec("x", "y", ["sleep", "inf"], timeout=60)


@pytest.mark.parametrize("how", ["close", "end", "reset"])
def test_a_server_that_hangs_up_in_the_middle_is_no_exit_code(how: str) -> None:
    def program(socket: Websocket) -> None:
        socket.send(STDOUT + b"half of it")
        if how == "close":
            socket.close(1011)
        elif how == "end":
            socket.peer.close()
        else:
            socket.peer.cut()

    with Server(container(program)) as server, pytest.raises(ApiFailed) as caught:
        client(server.url).exec("x", "y", ["z"])
    assert "the API server `http://127.0.0.1:" in caught.value.message
    assert "run the command again" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ClusterError), (403, Forbidden), (404, NotFound), (500, ApiFailed), (502, ApiFailed)]
)
def test_a_refused_upgrade_says_what_the_server_said(status: int, kind: type[ClusterError]) -> None:
    def serve(peer: Peer) -> None:
        peer.head()
        peer.answer(status, {"kind": "Status", "message": 'pods "y" not found, or so'})

    with Server(serve) as server, pytest.raises(kind) as caught:
        client(server.url).exec("x", "y", ["z"])
    assert caught.value.detail == 'pods "y" not found, or so'


def test_a_token_that_has_run_out_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    seen = []

    def serve(peer: Peer) -> None:
        head = peer.head()
        assert head is not None
        seen.append(head.get("Authorization"))
        if len(seen) == 1:
            (tmp_path / "token").write_text("new")
            peer.answer(401, {"kind": "Status", "message": "Unauthorized"})
            return
        upgrade(peer, head, V5).send(ended(3))
        with contextlib.suppress(OSError):
            peer.exactly(1 << 30)

    with Server(serve) as server:
        ran = client(server.url, user={"tokenFile": str(tmp_path / "token")}).exec("x", "y", ["z"])
    assert (ran.code, seen) == (3, ["Bearer old", "Bearer new"])


def test_a_refusal_without_a_body_is_still_a_refusal() -> None:
    with (
        Server(lambda peer: peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as server,
        pytest.raises(Forbidden),
    ):
        client(server.url).exec("x", "y", ["z"])


def test_a_redirect_of_an_upgrade_is_not_followed_with_the_token() -> None:
    def elsewhere(target: str, peer: Peer) -> None:
        peer.head()
        peer.answer(302, Location=target.replace("http", "ws"))

    with (
        Server(container(lambda socket: socket.send(ended()))) as other,
        Server(partial(elsewhere, other.url)) as server,
    ):
        kube = client(server.url)
        with pytest.raises(ApiFailed, match="Redirect"):
            kube.exec("x", "y", ["z"])
        assert other.heads == []


@pytest.mark.parametrize("protocol", ["", "v9.channel.k8s.io"])
def test_a_server_that_speaks_none_of_our_protocols_is_said(protocol: str) -> None:
    with (
        Server(container(lambda socket: socket.send(ended()), protocol=protocol)) as server,
        pytest.raises(ApiFailed, match="websocket"),
    ):
        client(server.url).exec("x", "y", ["z"])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b'{"status": "Failure", "message": "container not found (\\"z\\")"}', r"container not found \(\"z\"\)"),
        (b"not json at all", "not json at all"),
        (b"", "no reason given"),
        (b"[]", "could not be run"),
        (b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "?"}]}}', "no reason given"),
    ],
)
def test_a_command_that_could_not_be_started_is_an_error(status: bytes, words: str) -> None:
    with (
        Server(container(lambda socket: socket.send(ERROR + status))) as server,
        pytest.raises(ApiFailed, match=words),
    ):
        client(server.url).exec("x", "y", ["z"])


def test_a_server_that_does_not_answer_the_upgrade_is_given_up() -> None:
    def serve(peer: Peer) -> None:
        peer.head()
        peer.exactly(1)

    with Server(serve) as server, pytest.raises(Unreachable, match="did not answer in time"):
        client(server.url, timeout=0.05).exec("x", "y", ["z"])


def test_many_commands_run_at_once() -> None:
    def serve(peer: Peer) -> None:
        head = peer.head()
        assert head is not None
        socket = upgrade(peer, head, V5)
        socket.send(STDOUT + _pod(head).encode())
        socket.send(ended())
        peer.exactly(1 << 30)

    with Server(serve) as server:
        kube = client(server.url)
        done = gather_all([partial(kube.exec, "x", f"pod-{number}", ["hostname"]) for number in range(64)])
    assert [one.text for one in done] == [f"pod-{number}" for number in range(64)]


def _pod(head: Head) -> str:
    return urlsplit(head.target).path.split("/")[-2]
