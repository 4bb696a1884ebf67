"""Requests as they go over the wire: to a fake API server, and to servers that misbehave byte by byte."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import DAEMON_SETS, PODS, name_of
from ciliumctl.clients.kube.transport import POOL_SIZE
from ciliumctl.errors import (
    ApiFailed,
    CiliumctlError,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NoKubeconfig,
    NotFound,
    TimedOut,
    TlsFailed,
    Unauthorized,
    Unreachable,
)
from ciliumctl.parallel import gather_all
from ciliumctl.wait import Deadline
from tests.unit.clients.kube.conftest import SERVER_NAME, Certificates, client
from tests.world.cluster import FakeCluster, Fault
from tests.world.objects import pod
from tests.world.websockets import Peer, Server

Step = Callable[[Peer], None]
VERSION = {"gitVersion": "v1.34.4"}


def serving(*steps: Step) -> Callable[[Peer], None]:
    """Answer the requests, whatever connection they come on, one step each; the last one again and again."""
    lock = threading.Lock()
    waiting = list(steps)

    def serve(peer: Peer) -> None:
        while peer.request() is not None:
            with lock:
                step = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            step(peer)

    return serve


def fine(peer: Peer) -> None:
    peer.answer(200, VERSION)


def cut(peer: Peer) -> None:
    peer.cut()


def silent(peer: Peer) -> None:
    peer.exactly(1)


def answering(status: int, body: bytes | dict[str, Any] = b"", **headers: Any) -> Step:
    return lambda peer: peer.answer(status, body, **headers)


# Lists


def test_a_long_list_comes_page_by_page(cluster: FakeCluster) -> None:
    cluster.add(*(pod(f"pod-{number:02}") for number in range(25)))
    kube = client(cluster.url)
    assert [name_of(item) for item in kube.objects(PODS, limit=10)] == [f"pod-{number:02}" for number in range(25)]
    assert [seen.query.get("continue") for seen in cluster.seen] == [None, "10", "20"]
    assert {seen.query["limit"] for seen in cluster.seen} == {"10"}
    assert kube.requests == 3


def test_a_list_that_expired_in_the_middle_goes_on_with_every_object_once(cluster: FakeCluster) -> None:
    cluster.add(*(pod(f"pod-{number:02}") for number in range(25)))
    cluster.page_expires = True
    names = [name_of(item) for item in client(cluster.url).objects(PODS, limit=10)]
    assert names == [f"pod-{number:02}" for number in range(25)]


def test_a_list_that_expired_without_a_way_on_is_an_error() -> None:
    page = {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "x"}}
    with Server(serving(answering(200, page), answering(410, {"message": "too old"}))) as server:
        items = client(server.url).objects(PODS)
        assert name_of(next(items)) == "a"
        with pytest.raises(ApiFailed, match="can no longer continue the list"):
            next(items)


def test_selectors_reach_the_server_and_an_empty_list_is_empty(cluster: FakeCluster) -> None:
    cluster.add(pod("one", labels={"app": "a"}), pod("two", labels={"app": "b"}))
    kube = client(cluster.url)
    assert [name_of(item) for item in kube.objects(PODS, labels="app=b")] == ["two"]
    assert list(kube.objects(PODS, fields="metadata.name=three")) == []
    assert cluster.seen[0].query["labelSelector"] == "app=b"
    assert cluster.seen[1].query["fieldSelector"] == "metadata.name=three"


def test_metadata_alone_comes_without_the_rest(cluster: FakeCluster) -> None:
    cluster.add(pod("one"))
    (item,) = client(cluster.url).objects(PODS, metadata_only=True)
    assert set(item) == {"metadata"}
    assert "as=PartialObjectMetadataList" in cluster.seen[0].headers["Accept"]


def test_a_table_has_the_server_s_columns_in_lower_case(cluster: FakeCluster) -> None:
    cluster.add(pod("one"), pod("two"))
    table = client(cluster.url).table(PODS)
    assert table.columns[:3] == ("name", "ready", "status")
    assert table.column("name") == ["one", "two"]
    assert table.column("no such column") == []
    assert cluster.seen[0].query == {"includeObject": "None", "resourceVersion": "0"}


def test_a_table_may_be_asked_for_past_the_server_s_cache(cluster: FakeCluster) -> None:
    assert client(cluster.url).table(PODS, cached=False).rows == ()
    assert "resourceVersion" not in cluster.seen[0].query


# Trying again


@pytest.mark.parametrize("status", [429, 503])
def test_a_read_is_tried_again_when_the_server_is_busy(status: int) -> None:
    slept: list[float] = []
    busy = answering(status, {"message": "busy"}, Retry_After="2")
    with Server(serving(busy, busy, fine)) as server:
        kube = client(server.url, slept=slept)
        assert kube.version() == "v1.34.4"
        assert kube.requests == 3
    assert slept == [2.0, 2.0]


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for_that_long() -> None:
    slept: list[float] = []
    with Server(serving(answering(429, Retry_After="3600"), fine)) as server:
        assert client(server.url, slept=slept).version() == "v1.34.4"
    assert slept == [5.0]


def test_a_retry_after_that_is_a_date_does_no_harm() -> None:
    with Server(serving(answering(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), fine)) as server:
        assert client(server.url).version() == "v1.34.4"


def test_a_server_that_stays_busy_is_given_up_after_three_tries() -> None:
    slept: list[float] = []
    with Server(serving(answering(503, {"message": "no leader"}))) as server:
        kube = client(server.url, slept=slept)
        with pytest.raises(ApiFailed, match="answered 503 to GET /version: no leader"):
            kube.version()
        assert kube.requests == 3
    assert slept == [0.5, 1.0]


def test_an_answer_of_500_is_no_reason_to_ask_again() -> None:
    with Server(serving(answering(500, {"message": "etcdserver: request timed out"}), fine)) as server:
        kube = client(server.url)
        with pytest.raises(ApiFailed, match="etcdserver"):
            kube.version()
        assert kube.requests == 1


def test_a_read_whose_connection_was_reset_is_tried_again() -> None:
    with Server(serving(cut, cut, fine)) as server:
        kube = client(server.url)
        assert kube.version() == "v1.34.4"
        assert kube.requests == 3


def test_a_read_whose_answer_was_cut_off_is_tried_again() -> None:
    def half(peer: Peer) -> None:
        peer.answer(200, b'{"gitVersion": ', claims=100)
        peer.close()

    with Server(serving(half, fine)) as server:
        assert client(server.url).version() == "v1.34.4"


@pytest.mark.parametrize("how", ["create", "replace", "patch", "apply", "delete"])
def test_a_write_whose_connection_broke_is_never_sent_twice(how: str) -> None:
    manifest = {"metadata": {"name": "x"}}
    with Server(serving(cut)) as server:
        kube = client(server.url)
        calls: dict[str, Callable[[], object]] = {
            "create": lambda: kube.create(PODS, manifest, "default"),
            "replace": lambda: kube.replace(PODS, manifest, "default"),
            "patch": lambda: kube.patch(PODS, "x", {}, "default"),
            "apply": lambda: kube.apply(PODS, manifest, "default"),
            "delete": lambda: kube.delete(PODS, "x", "default"),
        }
        with pytest.raises(ClusterError):
            calls[how]()
        assert len(server.heads) == kube.requests == 1


def test_a_write_that_the_server_was_too_busy_to_look_at_is_sent_again() -> None:
    made = {"metadata": {"name": "x"}}
    with Server(serving(answering(429, {"message": "too many requests"}, Retry_After="1"), answering(201, made))) as it:
        assert client(it.url).create(PODS, made, "default") == made


def test_a_write_that_met_a_503_is_not_sent_again() -> None:
    with Server(serving(answering(503), fine)) as server:
        with pytest.raises(ApiFailed):
            client(server.url).create(PODS, {"metadata": {"name": "x"}}, "default")
        assert len(server.heads) == 1


def test_an_idle_connection_that_the_server_closed_is_replaced_even_for_a_write() -> None:
    ended = threading.Event()

    def once(peer: Peer) -> None:
        peer.request()
        fine(peer)
        peer.sock.shutdown(socket.SHUT_WR)
        ended.set()
        peer.request()

    with Server(once) as server:
        kube = client(server.url)
        kube.version()
        assert ended.wait(20)
        kube.create(PODS, {"metadata": {"name": "x"}}, "default")
        assert [head.method for head in server.heads] == ["GET", "POST"]


# Time


def test_a_server_that_says_nothing_is_given_up_after_the_request_s_time() -> None:
    with Server(serving(silent)) as server:
        kube = client(server.url, timeout=0.05)
        with pytest.raises(Unreachable, match="did not answer in time") as caught:
            kube.version()
        assert kube.requests == 1
    assert "--request-timeout" in caught.value.hint


def test_a_request_may_have_less_time_than_others() -> None:
    with Server(serving(silent)) as server, pytest.raises(Unreachable, match="did not answer in time"):
        client(server.url, timeout=60).raw("/readyz", timeout=0.05)


def test_the_command_s_deadline_ends_a_request_and_is_named_as_the_cause() -> None:
    with Server(serving(silent)) as server:
        kube = client(server.url, timeout=60)
        kube.deadline = Deadline.after(0.05)
        with pytest.raises(TimedOut) as caught:
            kube.version()
    assert "--timeout" in caught.value.hint


def test_after_the_deadline_nothing_is_asked() -> None:
    with Server(serving(fine)) as server:
        kube = client(server.url)
        kube.deadline = Deadline(at=0.0)
        with pytest.raises(TimedOut):
            kube.version()
        assert kube.requests == 0


# Getting there


def test_a_port_where_nobody_listens_refuses_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"`http://127.0.0.1:{port}` of context `prod` refuses the connection"):
        client(f"http://127.0.0.1:{port}").version()


def test_a_name_that_nobody_knows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"`https://gone\.example` of context `prod` cannot be resolved"):
        client("https://gone.example").version()


def test_a_server_behind_a_path_keeps_its_path() -> None:
    with Server(serving(fine)) as server:
        client(f"{server.url}/k8s/clusters/c-abc/").version()
        assert server.heads[0].target == "/k8s/clusters/c-abc/version"


def test_a_redirect_does_not_carry_the_token_elsewhere() -> None:
    with Server(serving(fine)) as other, Server(serving(answering(302, Location=f"{other.url}/version"))) as server:
        kube = client(server.url)
        with pytest.raises(ClusterError):
            kube.version()
        assert other.heads == []


# TLS


def test_a_server_whose_authority_is_known_is_trusted(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server(name="local")) as server:
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")})
        assert kube.version() == "v1.34.4"


def test_a_server_of_an_unknown_authority_is_not_trusted(certificates: Certificates) -> None:
    with (
        Server(serving(fine), tls=certificates.server(name="local")) as server,
        pytest.raises(TlsFailed, match="not signed by the authority in the kubeconfig"),
    ):
        client(server.url).version()


def test_a_certificate_for_another_name_is_not_accepted(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server()) as server:
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")})
        with pytest.raises(TlsFailed, match="is for another name") as caught:
            kube.version()
    assert "tls-server-name" in caught.value.hint


def test_the_kubeconfig_may_name_the_certificate_s_name(certificates: Certificates) -> None:
    cluster = {"certificate-authority": certificates.path("ca.crt"), "tls-server-name": SERVER_NAME}
    with Server(serving(fine), tls=certificates.server()) as server:
        assert client(server.url, cluster=cluster).version() == "v1.34.4"


def test_checking_the_certificate_may_be_switched_off_without_a_word_on_the_screen(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(serving(fine), tls=certificates.server()) as server:
        assert client(server.url, cluster={"insecure-skip-tls-verify": True}).version() == "v1.34.4"
    assert caplog.records == []


def test_a_client_s_certificate_is_shown_to_the_server(certificates: Certificates) -> None:
    subjects = []

    def serve(peer: Peer) -> None:
        subjects.append(peer.sock.getpeercert()["subject"])  # type: ignore[attr-defined]
        serving(fine)(peer)

    user = {"client-certificate": certificates.path("client.crt"), "client-key": certificates.path("client.key")}
    with Server(serve, tls=certificates.server(name="local", asks=True)) as server:
        client(server.url, user=user, cluster={"certificate-authority": certificates.path("ca.crt")}).version()
    assert subjects == [((("commonName", "jane"),),)]


def test_without_the_certificate_that_the_server_wants_tls_fails(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server(name="local", asks=True)) as server:
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")})
        with pytest.raises(ClusterError):
            kube.version()


def test_a_certificate_file_that_is_none_is_said_before_any_request(tmp_path: Path) -> None:
    broken = tmp_path / "ca.crt"
    broken.write_text("no certificate")
    with pytest.raises(NoKubeconfig, match="certificate of context `prod` cannot be used"):
        client("https://127.0.0.1:1", cluster={"certificate-authority": str(broken)})


def test_a_server_without_tls_is_told_apart_from_one_that_is_down() -> None:
    with Server(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        kube = client(server.url.replace("http:", "https:"))
        with pytest.raises(TlsFailed, match="TLS connection") as caught:
            kube.version()
    assert "https address" in caught.value.hint


def test_a_tls_server_that_hangs_up_in_the_middle_is_asked_again(certificates: Certificates) -> None:
    def abrupt(peer: Peer) -> None:
        peer.sock = socket.socket(fileno=peer.sock.detach())
        peer.close()

    with Server(serving(abrupt, fine), tls=certificates.server(name="local")) as server:
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")})
        assert kube.version() == "v1.34.4"


# Proxies


@contextlib.contextmanager
def proxy(target: Server, *, status: int = 200) -> Iterator[Server]:
    """A proxy that carries every CONNECT to one server, whatever name is asked for."""

    def serve(peer: Peer) -> None:
        peer.request()
        if status != 200:
            peer.answer(status)
            return
        with socket.create_connection(("127.0.0.1", target.port)) as upstream:
            peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream.recv, peer.send), daemon=True)
            back.start()
            pump(lambda _size: peer.receive(), upstream.sendall)
            upstream.shutdown(socket.SHUT_WR)
            back.join(10)

    with Server(serve) as running:
        yield running


def pump(receive: Callable[[int], bytes], send: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        while piece := receive(65536):
            send(piece)


FAR = f"https://{SERVER_NAME}:6443"


def test_requests_go_through_the_kubeconfig_s_proxy(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server()) as server, proxy(server) as between:
        cluster = {"certificate-authority": certificates.path("ca.crt"), "proxy-url": between.url}
        assert client(FAR, cluster=cluster).version() == "v1.34.4"
        assert (between.heads[0].method, between.heads[0].target) == ("CONNECT", f"{SERVER_NAME}:6443")
        assert between.heads[0].all("Authorization") == []


def test_requests_go_through_the_environment_s_proxy_with_its_password(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server()) as server, proxy(server) as between:
        environ = {"HTTPS_PROXY": between.url.replace("//", "//jane:p%40ss@")}
        kube = client(FAR, cluster={"certificate-authority": certificates.path("ca.crt")}, environ=environ)
        assert kube.version() == "v1.34.4"
        assert between.heads[0].all("Proxy-Authorization") == ["Basic amFuZTpwQHNz"]


@pytest.mark.parametrize("exception", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_makes_the_connection_direct(certificates: Certificates, exception: str) -> None:
    with Server(serving(fine), tls=certificates.server(name="local")) as server:
        environ = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": exception}
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")}, environ=environ)
        assert kube.version() == "v1.34.4"


def test_the_kubeconfig_s_proxy_counts_whatever_no_proxy_says(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server()) as server, proxy(server) as between:
        cluster = {"certificate-authority": certificates.path("ca.crt"), "proxy-url": between.url}
        assert client(FAR, cluster=cluster, environ={"NO_PROXY": "*"}).version() == "v1.34.4"


def test_only_the_session_s_environment_counts(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with Server(serving(fine), tls=certificates.server(name="local")) as server:
        kube = client(server.url, cluster={"certificate-authority": certificates.path("ca.crt")})
        assert kube.version() == "v1.34.4"


def test_a_proxy_that_says_no_is_named_as_the_cause(certificates: Certificates) -> None:
    with Server(serving(fine), tls=certificates.server()) as server, proxy(server, status=407) as between:
        kube = client(FAR, cluster={"proxy-url": between.url})
        with pytest.raises(Unreachable, match=r"the proxy in front of .* does not answer: .*407") as caught:
            kube.version()
    assert "proxy-url" in caught.value.hint


# Who we are


def test_the_token_is_sent_with_our_name(cluster: FakeCluster) -> None:
    client(cluster.url).version()
    assert cluster.seen[0].headers["Authorization"] == "Bearer secret-token"
    assert cluster.seen[0].headers["User-Agent"].startswith("ciliumctl/")


def test_without_a_credential_none_is_sent(cluster: FakeCluster) -> None:
    client(cluster.url, user={}).version()
    assert "Authorization" not in cluster.seen[0].headers


def test_a_token_file_is_read_again_when_the_server_no_longer_accepts_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    expired = answering(401, {"message": "Unauthorized"})
    with Server(serving(fine, expired, fine)) as server:
        kube = client(server.url, user={"tokenFile": str(token), "token": "older"})
        kube.version()
        token.write_text("new\n")
        kube.create(PODS, {"metadata": {"name": "x"}}, "default")
        sent = [head.get("Authorization") for head in server.heads]
    assert sent == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_token_that_is_not_accepted_is_not_tried_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("bad")
    with Server(serving(answering(401))) as server:
        kube = client(server.url, user={"tokenFile": str(tmp_path / "token")})
        with pytest.raises(Unauthorized):
            kube.version()
        assert kube.requests == 2


def test_a_fixed_token_that_is_not_accepted_is_tried_once() -> None:
    with Server(serving(answering(401))) as server:
        kube = client(server.url)
        with pytest.raises(Unauthorized):
            kube.version()
        assert kube.requests == 1


def test_every_request_says_as_whom_it_acts() -> None:
    with Server(serving(fine)) as server:
        kube = client(
            server.url,
            as_user="jane",
            as_groups=("dev", "ops"),
            as_uid="42",
            as_extra={"example.com/team": ("red", "blue")},
        )
        kube.version()
        list(kube.objects(PODS, metadata_only=True))
        kube.table(PODS)
        kube.delete(PODS, "x", "default")
        kube.logs("default", "x")
        for head in server.heads:
            assert head.all("Impersonate-User") == ["jane"]
            assert head.all("Impersonate-Group") == ["dev", "ops"]
            assert head.all("Impersonate-Uid") == ["42"]
            assert head.all("Impersonate-Extra-example.com%2Fteam") == ["red", "blue"]
    assert len(server.heads) == 5


# Answers


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Invalid), (401, Unauthorized), (404, NotFound), (409, Conflict), (422, Invalid), (500, ApiFailed)],
)
def test_a_refusal_has_its_own_kind_and_the_server_s_words(
    cluster: FakeCluster, status: int, kind: type[ClusterError]
) -> None:
    cluster.faults.append(Fault("PATCH .*/daemonsets/cilium", status=status, message="its own words"))
    with pytest.raises(kind) as caught:
        client(cluster.url).patch(DAEMON_SETS, "cilium", {}, "kube-system")
    assert type(caught.value) is kind
    assert caught.value.detail == "its own words"
    if status != 401:
        path = "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium"
        assert f"answered {status} to PATCH {path}: its own words" in caught.value.message


def test_a_forbidden_request_says_which_verb_on_what(cluster: FakeCluster) -> None:
    words = (
        'daemonsets.apps "cilium" is forbidden: User "jane" cannot patch resource "daemonsets" '
        'in API group "apps" in the namespace "kube-system"'
    )
    cluster.faults.append(Fault("PATCH", status=403, message=words))
    with pytest.raises(Forbidden, match=r"user `jane` may not patch `daemonsets\.apps` in namespace `kube-system`"):
        client(cluster.url).patch(DAEMON_SETS, "cilium", {}, "kube-system")


@pytest.mark.parametrize(
    "body", [b"<html>Log in first</html>", b'{"items": [{"metadata"', b"", b"[1, 2]", b"null", b"\xff\xfe"]
)
def test_an_answer_that_is_no_api_server_s_is_said(body: bytes) -> None:
    with Server(serving(answering(200, body))) as server:
        kube = client(server.url)
        for call in (kube.version, kube.groups, kube.kinds, lambda: list(kube.objects(PODS)), lambda: kube.table(PODS)):
            with pytest.raises(ApiFailed, match=r"`http://127\.0\.0\.1:\d+` of context `prod`") as caught:
                call()
            assert caught.value.hint


def test_an_answer_that_is_not_even_http_is_said() -> None:
    with Server(lambda peer: peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
        kube = client(server.url)
        with pytest.raises(ClusterError) as caught:
            kube.version()
    assert "cannot be reached" in caught.value.message


# Threads


def test_many_threads_share_one_client_and_a_bounded_number_of_connections(caplog: pytest.LogCaptureFixture) -> None:
    together = threading.Barrier(POOL_SIZE)

    def serve(peer: Peer) -> None:
        # So many requests at once as the client allows, and no more: the barrier needs them all.
        while (request := peer.request()) is not None:
            together.wait(20)
            peer.answer(200, {"gitVersion": request[0].target.rpartition("/")[2]})

    count = 4 * POOL_SIZE
    with Server(serve) as server, caplog.at_level(logging.WARNING):
        kube = client(server.url, timeout=30)

        def ask(number: int) -> str:
            return kube.raw(f"/x/{number}")

        answers = gather_all([partial(ask, number) for number in range(count)], limit=2 * POOL_SIZE)
        assert answers == [f'{{"gitVersion": "{number}"}}' for number in range(count)]
        assert len(server.peers) <= POOL_SIZE
    assert kube.requests == count
    assert caplog.records == []


def test_waiting_for_a_free_connection_ends_with_the_deadline() -> None:
    full = threading.Semaphore(0)

    def hold(peer: Peer) -> None:
        full.release()
        peer.exactly(1)

    with Server(serving(hold)) as server:
        kube = client(server.url, timeout=60)

        def ask() -> None:
            with contextlib.suppress(CiliumctlError):
                kube.version()

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(POOL_SIZE)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert full.acquire(timeout=20)
        kube.deadline = Deadline.after(0.05)
        with pytest.raises(TimedOut):
            kube.version()
        server.drop()
        for thread in threads:
            thread.join(20)
