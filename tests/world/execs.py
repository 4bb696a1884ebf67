"""Commands in the pods of the API server in this process: a function of the test's answers, over a real websocket."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.world.websockets import BINARY, accept_key, frame

_PROTOCOL = "v5.channel.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command in a container."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it does: a status above 300 refuses it; it begins `delay` seconds late, and ends `delay_end` seconds late."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    status: int = 101
    delay: float = 0.0
    delay_end: float = 0.0


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
        for channel, text in ((1, answer.stdout), (2, answer.stderr), (3, _status(answer.code))):
            time.sleep(answer.delay_end if channel == 3 else 0)
            if text:
                handler.wfile.write(frame(BINARY, bytes([channel]) + text.encode()))
        handler.rfile.read()


def _status(code: int) -> str:
    if not code:
        return json.dumps({"status": "Success"})
    cause = {"reason": "ExitCode", "message": str(code)}
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}})
