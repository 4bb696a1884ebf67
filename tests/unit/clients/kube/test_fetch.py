"""One HTTP answer out of a pod, by way of the kubelet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ciliumctl.clients.kube import fetch
from ciliumctl.clients.kube.forward import PodPort
from ciliumctl.errors import ApiFailed, ClusterError, NotFound, TimedOut
from tests.unit.clients.kube.conftest import transport
from tests.world.spdy import App, Conversation, Pods

PLACE = PodPort(namespace="kube-system", pod="web", port=9962)


def serving(answer: bytes, said: bytes = b"") -> App:
    def app(conversation: Conversation) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += conversation.data.read() or b""
        assert head.startswith(b"GET /metrics HTTP/1.1\r\n")
        assert conversation.port == 9962
        if said:
            conversation.errors.send(said)
        conversation.errors.end()
        conversation.data.send(answer)

    return app


def fetched(app: App, timeout: float = 10.0) -> str:
    with Pods({"web": app}) as pods:
        return fetch.through_forward(transport(pods.server.url), PLACE, "/metrics", timeout)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nup 1",
        b"HTTP/1.0 200 OK\r\n\r\nup 1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n2\r\n 1\r\n0\r\n\r\n",
    ],
)
def test_the_body_is_read_in_each_way_that_http_ends_it(answer: bytes) -> None:
    assert fetched(serving(answer)) == "up 1"


@pytest.mark.parametrize(
    ("answer", "said", "kind", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", b"", NotFound, "serves nothing at /metrics"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", b"", ApiFailed, "answered 500"),
        (b"SSH-2.0-x\r\n", b"", ApiFailed, "does not speak HTTP"),
        (b"", b"dial tcp4 127.0.0.1:9962: connect: connection refused", ApiFailed, "nothing listens at port 9962"),
        (b"", b"no such network namespace", ApiFailed, "no such network namespace"),
    ],
)
def test_what_is_no_answer_is_told(answer: bytes, said: bytes, kind: type[ClusterError], words: str) -> None:
    with pytest.raises(kind, match=words):
        fetched(serving(answer, said))


def test_a_pod_that_does_not_exist_is_not_found() -> None:
    with Pods({}) as pods, pytest.raises(NotFound):
        fetch.through_forward(transport(pods.server.url), PLACE, "/metrics", 10.0)


def test_an_answer_that_does_not_come_ends_with_the_time() -> None:
    def app(conversation: Conversation) -> None:
        conversation.data.read_all()

    with pytest.raises(TimedOut, match="did not answer within"):
        fetched(app, timeout=0.2)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LONGEST", 1000)
    endless: Callable[[Conversation], None] = serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)
    with pytest.raises(ApiFailed, match="longer than"):
        fetched(endless)
