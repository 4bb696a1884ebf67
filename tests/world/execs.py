"""Commands in the pods of the API server in this process: a function of the test's answers, over a real websocket."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.world.websockets import BINARY, CLOSE, PING, PONG, accept_key, frame

_PROTOCOL = "v5.channel.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command in a container."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    stdin: bool = False
    tty: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it does: a status above 300 refuses it; it begins `delay` seconds late, and ends `delay_end` seconds late."""

    stdout: str | bytes = ""
    stderr: str = ""
    code: int = 0
    status: int = 101
    delay: float = 0.0
    delay_end: float = 0.0
    #: Why it could not even be started, as the kubelet says it once the connection stands.
    refusal: str = ""
    #: Whether the connection breaks instead of telling how it went.
    cut: bool = False
    #: What it does with what is said to it; its exit code is this one's.
    talk: Callable[[Conversation], int] | None = None


class Conversation:
    """A command's side of the connection: what comes in on which channel, and what it says."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def hear(self) -> tuple[int, bytes]:
        """The next channel and what came on it: 0 is standard input, 4 the terminal's size, 255 what is closed."""
        while True:
            opcode, data = self._frame()
            if opcode == PING:
                self._handler.wfile.write(frame(PONG, data))
            elif opcode == CLOSE:
                raise ConnectionResetError
            elif data:
                return data[0], data[1:]

    def say(self, text: str, channel: int = 1) -> None:
        """Write: 1 is standard output, 2 standard error."""
        self._handler.wfile.write(frame(BINARY, bytes([channel]) + text.encode()))

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        mask, data = self._exactly(4), self._exactly(size)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def _exactly(self, size: int) -> bytes:
        data = self._handler.rfile.read(size)
        if len(data) < size:
            raise ConnectionResetError
        return data


Program = Callable[[Call], Answer]


def is_exec(path: str) -> bool:
    """Whether a request asks for a command in a pod."""
    return urlsplit(path).path.endswith("/exec")


def call_of(path: str) -> Call:
    """The command that a request asks for."""
    parts = urlsplit(path)
    _empty, _api, _v1, _namespaces, namespace, _pods, pod, _exec = parts.path.split("/")
    query = parse_qs(parts.query)
    return Call(
        namespace=namespace,
        pod=pod,
        container=query.get("container", [""])[0],
        command=tuple(query.get("command", [])),
        stdin=query.get("stdin") == ["true"],
        tty=query.get("tty") == ["true"],
    )


def serve(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    """Answer the handshake, say what the command says, and wait until the client hangs up."""
    handler.close_connection = True
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(handler.headers.get('Sec-WebSocket-Key', ''))}",
        f"Sec-WebSocket-Protocol: {_PROTOCOL}",
    ]
    # A client that had enough is no news.
    with contextlib.suppress(OSError):
        handler.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        time.sleep(answer.delay)
        if answer.talk is not None:
            code = answer.talk(Conversation(handler))
            handler.wfile.write(frame(BINARY, bytes([3]) + _status(code).encode()))
        status = "" if answer.cut else _refused(answer.refusal) if answer.refusal else _status(answer.code)
        for channel, text in ((1, answer.stdout), (2, answer.stderr), (3, status)):
            time.sleep(answer.delay_end if channel == 3 else 0)
            if text and answer.talk is None:
                handler.wfile.write(
                    frame(BINARY, bytes([channel]) + (text if isinstance(text, bytes) else text.encode()))
                )
        if not answer.cut:
            handler.rfile.read()


def _refused(message: str) -> str:
    return json.dumps({"status": "Failure", "reason": "InternalError", "message": message})


def _status(code: int) -> str:
    if not code:
        return json.dumps({"status": "Success"})
    cause = {"reason": "ExitCode", "message": str(code)}
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}})
