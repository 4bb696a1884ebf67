"""A real browser without a screen: Debian's Chromium, driven by its own driver over the WebDriver protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.wait import Deadline, poll
from tests.cluster import machine

#: Packages, with one program that each brings; only the test of the page needs them.
PACKAGES = {"chromium": "chromium", "chromium-driver": "chromedriver"}
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server")
_SECONDS = 120


@dataclass(frozen=True)
class Browser:
    """One window."""

    session: str

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        _ask("POST", f"{self.session}/url", {"url": url})

    def title(self) -> str:
        """The page's title."""
        return str(_ask("GET", f"{self.session}/title"))

    def text(self) -> str:
        """The text that the page shows."""
        script = {"script": "return document.body.innerText", "args": []}
        return str(_ask("POST", f"{self.session}/execute/sync", script))

    def screenshot(self) -> bytes:
        """What is on the screen, as PNG."""
        return base64.b64decode(str(_ask("GET", f"{self.session}/screenshot")))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser for the time of a test; its packages are installed when they are missing.

    Skips the test where they cannot be.
    """
    lacking = machine.missing(PACKAGES)
    if lacking and not (os.geteuid() == 0 and shutil.which("apt-get")):
        pytest.skip(f"these packages are missing: {', '.join(lacking)}; `apt-get install {' '.join(lacking)}` as root")
    machine.install_packages(PACKAGES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {"PATH": machine.PATHS, "HOME": str(folder), "TMPDIR": str(folder)}
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], env=environ, stdout=subprocess.DEVNULL)
    root = f"http://127.0.0.1:{port}"
    try:
        assert poll(lambda: _ready(root), bool, deadline=Deadline.after(_SECONDS), interval=0.2)
        options = {"args": [*_FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=800,600"]}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        made = _ask("POST", f"{root}/session", {"capabilities": wanted})
        session = f"{root}/session/{made['sessionId']}"
        try:
            yield Browser(session)
        finally:
            _ask("DELETE", session)
    finally:
        driver.terminate()
        driver.wait(10)


def _ready(root: str) -> bool:
    try:
        return bool(_ask("GET", f"{root}/status")["ready"])
    except OSError:
        return False


def _ask(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})  # noqa: S310 - our own driver
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_SECONDS) as answer:
        return json.load(answer)["value"]


def colours(png: bytes) -> int:
    """How many different values of a byte the picture's pixels have: one for a blank page."""
    import struct
    import zlib

    at, packed = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    return len(set(zlib.decompress(packed)))
