from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from ciliumctl.clients.web import Web
from ciliumctl.errors import DownloadFailed
from ciliumctl.wait import Deadline
from tests.world.web import Answer, Site, site


@pytest.fixture
def server() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    client = Web(environ={})
    yield client
    client.close()


@pytest.fixture
def mute() -> Iterator[str]:
    """A site that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/file"


@pytest.fixture
def closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file"


@pytest.mark.parametrize("status", [200, 404, 403, 503])
def test_any_answer_counts(server: Site, web: Web, status: int) -> None:
    server.put("/file", b"x")
    server.plan("/file", Answer(status=status))
    assert web.unreachable([f"{server.url}/file"]) == {}


def test_only_the_first_byte_is_asked_for(server: Site, web: Web) -> None:
    server.put("/file", b"x" * 1000)
    web.unreachable([f"{server.url}/file"])
    assert server.ranges_of("/file") == ["bytes=0-0"]


def test_a_port_where_nobody_listens_is_named_with_the_reason(server: Site, web: Web, closed: str) -> None:
    server.put("/file", b"x")
    failures = web.unreachable([f"{server.url}/file", closed])
    assert list(failures) == [closed]
    assert isinstance(failures[closed], DownloadFailed)
    assert closed in failures[closed].message


def test_a_site_that_says_nothing_is_left_after_the_time_given(web: Web, mute: str) -> None:
    failures = web.unreachable([mute], seconds=0.2)
    assert "did not answer in time" in failures[mute].message


def test_silent_sites_are_waited_for_together_not_one_after_the_other(server: Site, web: Web) -> None:
    never = threading.Event()
    urls = [f"{server.url}/file{number}" for number in range(6)]
    for number in range(6):
        server.plan(f"/file{number}", Answer(waits=never))
    started = time.monotonic()
    failures = web.unreachable(urls, seconds=0.3)
    never.set()
    assert set(failures) == set(urls)
    assert time.monotonic() - started < 1.5


def test_nobody_is_asked_when_there_is_no_address(web: Web) -> None:
    assert web.unreachable([]) == {}


def test_the_commands_own_deadline_is_kept(web: Web, mute: str) -> None:
    web.deadline = Deadline.after(0.2)
    started = time.monotonic()
    web.unreachable([mute], seconds=30)
    assert time.monotonic() - started < 5
