"""The commands that forward a port: the address first, a browser where somebody looks, and an end that is no failure."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.world.cluster import FakeCluster
from tests.world.forwards import endpoints, service, to_port
from tests.world.run import HERE, quiet_environ
from tests.world.terminal import Terminal

PAGE = b"a page"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def page() -> Iterator[int]:
    """A port of this machine with a page behind it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def with_ui(cluster: FakeCluster, page: int) -> FakeCluster:
    """A cluster with Hubble's page and relay."""
    for name in ("hubble-ui", "hubble-relay"):
        cluster.add(service(name), endpoints(name, (f"{name}-1", True)))
        cluster.forwarded[f"{name}-1"] = to_port(page)
    return cluster


@pytest.fixture
def argv(with_ui: FakeCluster, tmp_path: Path) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """A command line against it, and its environment."""

    def made(*arguments: str, **more: str) -> tuple[list[str], dict[str, str]]:
        env = quiet_environ(tmp_path, KUBECONFIG=str(with_ui.kubeconfig(tmp_path)), PYTHONPATH=str(HERE), **more)
        return [sys.executable, "-m", "ciliumctl", *arguments], env

    return made


def browser(folder: Path, script: str) -> str:
    """A program that stands in for a browser."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def asked(url: str) -> bytes:
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with local.open(url, timeout=30) as answer:
        found: bytes = answer.read()
    return found


Argv = Callable[..., tuple[list[str], dict[str, str]]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_that_comes_right_after_the_address_is_the_normal_one(
    argv: Argv, tmp_path: Path, number: signal.Signals
) -> None:
    # The browser is opened between the address and the waiting.
    words, env = argv("hubble", "ui", ":0", BROWSER=browser(tmp_path, f"kill -{int(number)} $PPID"), TERM="vt100")
    with Terminal(words, env=env, cwd=tmp_path) as terminal:
        terminal.until("http://localhost:")
        assert terminal.ended() == 0
        assert "Traceback" not in terminal.shown
        assert "interrupted" not in terminal.shown


def test_at_a_terminal_the_page_is_opened_unless_that_is_not_wanted(argv: Argv, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    program = browser(tmp_path, f'echo "$1" >> {opened}; kill -INT $PPID')
    words, env = argv("hubble", "ui", ":0", BROWSER=program, TERM="vt100")
    with Terminal(words, env=env, cwd=tmp_path) as terminal:
        assert terminal.ended() == 0
        address = terminal.shown.split()[0]
    assert opened.read_text() == f"{address}\n"
    with Terminal([*words, "--no-open-browser"], env=env, cwd=tmp_path) as terminal:
        terminal.until("Ctrl-C ends it")
        terminal.signal(signal.SIGINT)
        assert terminal.ended() == 0
    assert opened.read_text() == f"{address}\n"


@pytest.mark.parametrize(
    ("arguments", "first"), [(("hubble", "port-forward", ":0"), "127.0.0.1:"), (("hubble", "ui", ":0"), "http://")]
)
def test_a_script_reads_the_address_and_ends_it(argv: Argv, arguments: tuple[str, ...], first: str) -> None:
    words, env = argv(*arguments)
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        line = running.stdout.readline().strip()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert line.startswith(first)
    assert (running.returncode, out) == (0, ""), err


def test_a_forward_lives_through_another_pod_and_an_api_server_that_is_restarted(
    argv: Argv, with_ui: FakeCluster, page: int
) -> None:
    words, env = argv("hubble", "ui", ":0")
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        assert asked(url) == PAGE
        # A drop of the connection is how a pod's end shows.
        with_ui.forwarded = {"hubble-ui-2": to_port(page)}
        with_ui.add(endpoints("hubble-ui", ("hubble-ui-2", True)))
        with with_ui.away():
            pass
        assert asked(url) == PAGE
        with with_ui.away():
            waiting = threading.Thread(target=lambda: answers.append(asked(url)))
            answers: list[bytes] = []
            waiting.start()
            waiting.join(0.2)
            assert not answers
        waiting.join(30)
        assert answers == [PAGE]
        running.send_signal(signal.SIGINT)
        _out, err = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "pod `hubble-ui-1` is gone; forwarding to `hubble-ui-2` now" in err
    assert "waiting: " in err
