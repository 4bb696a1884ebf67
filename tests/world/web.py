"""A web server on the loopback address: serves files with ETags and ranges, and misbehaves as told."""

from __future__ import annotations

import contextlib
import hashlib
import io
import ssl
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came in. `target` is the whole address when we were asked as a proxy."""

    target: str
    headers: Message

    @property
    def range(self) -> str:
        """Which part was asked for."""
        return self.headers.get("Range", "")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one request is answered; what is not set is as usual.

    `cut` ends the connection after so many bytes, `claims` is a false Content-Length, `waits` holds the answer back
    until it is set, `drips` sends byte by byte with that event's time-out between them.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    claims: int | None = None
    waits: threading.Event | None = None
    drips: threading.Event | None = None


class Site:
    """Files by path, and the requests that came for them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.ranges = True
        self.etags = True
        self._planned: dict[str, list[Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def put(self, path: str, body: bytes | str, *, checksum: str = "") -> str:
        """Serve a file, with a sha256sum file beside it when `checksum` is its suffix. Returns the file's SHA-256."""
        content = body.encode() if isinstance(body, str) else body
        digest = hashlib.sha256(content).hexdigest()
        self.files[path] = content
        if checksum:
            self.files[path + checksum] = f"{digest}  {path.rsplit('/', 1)[-1]}\n".encode()
        return digest

    def plan(self, path: str, *answers: Answer) -> None:
        """Answer the next requests for a path so, one each; then as usual again."""
        self._planned.setdefault(path, []).extend(answers)

    def planned(self, path: str) -> Answer | None:
        """The answer planned for this request."""
        waiting = self._planned.get(path)
        return waiting.pop(0) if waiting else None

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(1 for asked in self.asked if urlsplit(asked.target).path == path)

    def ranges_of(self, path: str) -> list[str]:
        """Which parts of a path were asked for."""
        return [asked.range for asked in self.asked if urlsplit(asked.target).path == path]

    def secure(self, certificate: Path, key: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

        def do_GET(self) -> None:
            site.asked.append(Asked(target=self.path, headers=self.headers))
            path = urlsplit(self.path).path
            # A client that went away is no news.
            with contextlib.suppress(OSError):
                planned = site.planned(path)
                if planned is not None and planned.waits is not None:
                    planned.waits.wait(20)
                _answer(self, site, path, planned or Answer())

        do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

    return Handler


def _answer(handler: BaseHTTPRequestHandler, site: Site, path: str, planned: Answer) -> None:
    body = planned.body if planned.body is not None else site.files.get(path)
    status, headers = planned.status, dict(planned.headers)
    if status != 200:
        body = planned.body or b""
    elif body is None:
        status, body = 404, b"not here"
    else:
        status, body = _part(handler, site, body, headers)
    handler.send_response(status)
    headers.setdefault("Content-Length", str(planned.claims if planned.claims is not None else len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "HEAD":
        return
    if planned.drips is not None:
        for byte in body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if planned.drips.wait(0.05):
                break
        handler.close_connection = True
        return
    handler.wfile.write(body if planned.cut is None else body[: planned.cut])
    if planned.cut is not None or planned.claims is not None:
        handler.wfile.flush()
        handler.close_connection = True


def _part(handler: BaseHTTPRequestHandler, site: Site, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    if site.etags:
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers.setdefault("ETag", tag)
        if handler.headers.get("If-None-Match") == tag:
            return 304, b""
    wanted = handler.headers.get("Range", "")
    if not wanted or not site.ranges:
        return 200, body
    start = int(wanted.removeprefix("bytes=").partition("-")[0])
    if start >= len(body):
        headers.setdefault("Content-Range", f"bytes */{len(body)}")
        return 416, b""
    headers.setdefault("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    return 206, body[start:]


def program(version: str, *, name: str = "cilium-cli", padding: int = 0) -> bytes:
    """A program that says its version, as a shell script."""
    return f"#!/bin/sh\necho '{name}: v{version} compiled with go1.26.8'\n# {'x' * padding}\n".encode()


def tar_gz(members: Mapping[str, bytes] | Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A .tar.gz archive of files by name, or of whatever the headers say."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        pairs = members if not isinstance(members, Mapping) else [(_file(*item), item[1]) for item in members.items()]
        for info, content in pairs:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def _file(name: str, content: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o755
    return info


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A .zip archive of files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """A server while the block runs."""
    with Site() as running:
        yield running


def authority(folder: Path) -> tuple[Path, Path, Path]:
    """A private authority, and a certificate of it for 127.0.0.1 with its key. Needs openssl."""
    ca, ca_key = folder / "ca.crt", folder / "ca.key"
    cert, key, request, names = (folder / name for name in ("site.crt", "site.key", "site.csr", "names"))
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    new_key = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    for arguments in (
        ["req", "-x509", *new_key, ca_key, "-out", ca, "-days", "2", "-subj", "/CN=private"],
        ["req", *new_key, key, "-out", request, "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-days", "2", "-extfile", names, "-out", cert],
    ):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    return ca, cert, key
