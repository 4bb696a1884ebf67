from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from ciliumctl.clients.web import READ_TIMEOUT, Web, shown
from ciliumctl.errors import BadFile, ChecksumMismatch, CiliumctlError, DownloadFailed, Missing, TimedOut
from ciliumctl.wait import Deadline
from tests.world.web import Answer, Site, authority, site

BODY = bytes(range(256)) * 4096
FILE = "/v1/file.bin"


@pytest.fixture
def server() -> Iterator[Site]:
    with site() as running:
        yield running


class Client:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self.web = self.make()

    def make(self, *, ca_file: str = "", environ: Mapping[str, str] | None = None) -> Web:
        self.web = Web(ca_file=ca_file, environ=environ or {}, sleep=self.slept.append)
        return self.web


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.web.close()


# Pages


def test_a_page_comes_with_its_etag_and_is_not_sent_again(server: Site, client: Client) -> None:
    server.put("/index.yaml", "entries: {}")
    page = client.web.get(f"{server.url}/index.yaml")
    assert page.body == b"entries: {}"
    assert page.etag
    again = client.web.get(f"{server.url}/index.yaml", etag=page.etag)
    assert again.unchanged
    assert again.body == b""
    server.put("/index.yaml", "entries: {cilium: []}")
    assert client.web.get(f"{server.url}/index.yaml", etag=page.etag).body == b"entries: {cilium: []}"


def test_a_server_that_is_busy_is_asked_again_after_a_growing_pause(server: Site, client: Client) -> None:
    server.put("/page", "here")
    server.plan("/page", Answer(status=503), Answer(status=502), Answer(status=500))
    assert client.web.text(f"{server.url}/page") == "here"
    assert client.slept == [0.5, 1.0, 2.0]


def test_retry_after_is_obeyed_but_not_for_ever(server: Site, client: Client) -> None:
    server.put("/page", "here")
    server.plan(
        "/page",
        Answer(status=429, headers={"Retry-After": "3"}),
        Answer(status=503, headers={"Retry-After": "3600"}),
        Answer(status=503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    )
    assert client.web.text(f"{server.url}/page") == "here"
    assert client.slept == [3.0, 10.0, 2.0]


def test_a_server_that_stays_busy_is_given_up_after_four_attempts(server: Site, client: Client) -> None:
    server.plan("/page", *[Answer(status=503)] * 9)
    with pytest.raises(DownloadFailed, match="answered 503") as caught:
        client.web.text(f"{server.url}/page")
    assert server.count("/page") == 4
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_plain_no_is_not_asked_again(server: Site, client: Client, status: int) -> None:
    server.plan("/page", Answer(status=status))
    with pytest.raises(DownloadFailed, match=f"answered {status}") as caught:
        client.web.text(f"{server.url}/page")
    assert server.count("/page") == 1
    assert caught.value.hint


def test_a_page_without_end_is_refused(server: Site, client: Client) -> None:
    server.put("/page", b"x" * 3000)
    with pytest.raises(DownloadFailed, match="larger than"):
        client.web.get(f"{server.url}/page", limit=2000)


def test_redirects_are_followed(server: Site, client: Client) -> None:
    server.put("/there", "found")
    server.plan("/here", Answer(status=302, headers={"Location": "/between"}))
    server.plan("/between", Answer(status=307, headers={"Location": f"{server.url}/there"}))
    assert client.web.text(f"{server.url}/here") == "found"


def test_redirects_in_a_circle_end(server: Site, client: Client) -> None:
    server.plan("/here", *[Answer(status=302, headers={"Location": "/here"})] * 40)
    with pytest.raises(DownloadFailed, match="without end"):
        client.web.text(f"{server.url}/here")


def test_a_look_up_gives_up_on_a_server_that_drips(server: Site, client: Client) -> None:
    server.put("/stable.txt", "v1.2.3" + " " * 500)
    stop = threading.Event()
    server.plan("/stable.txt", Answer(drips=stop))
    assert client.web.glance(f"{server.url}/stable.txt", seconds=0.3) == ""
    stop.set()


def test_a_look_up_returns_the_page_or_nothing(server: Site, client: Client) -> None:
    server.put("/stable.txt", "v1.2.3\n")
    assert client.web.glance(f"{server.url}/stable.txt") == "v1.2.3\n"
    assert client.web.glance(f"{server.url}/none") == ""
    assert client.slept == []


# Downloads


def test_a_download_is_moved_into_place_and_reports_its_progress(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    seen: list[tuple[int, int | None]] = []
    found = client.web.download(
        server.url + FILE,
        tmp_path / "deep" / "file",
        sha256=digest.upper(),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found == digest
    assert (tmp_path / "deep" / "file").read_bytes() == BODY
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["file"]
    assert seen[-1] == (len(BODY), len(BODY))


def test_a_cut_download_goes_on_where_it_stopped(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    server.plan(FILE, Answer(cut=300_000), Answer(cut=200_000))
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert server.ranges_of(FILE) == ["", "bytes=300000-", "bytes=500000-"]
    assert (tmp_path / "file").read_bytes() == BODY


def test_the_next_run_goes_on_where_this_one_was_cut(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    server.plan(FILE, Answer(cut=700_000))
    with pytest.raises(DownloadFailed):
        client.web.download(server.url + FILE, tmp_path / "file", sha256=digest, attempts=1)
    assert not (tmp_path / "file").exists()
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert server.ranges_of(FILE) == ["", "bytes=700000-"]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_download_that_was_whole_already_is_not_fetched_again(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    (tmp_path / "file.part").write_bytes(BODY)
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert server.count(FILE) == 1
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_without_ranges_sends_all_of_it_again(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    server.ranges = False
    server.plan(FILE, Answer(cut=300_000))
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_file_that_changed_between_runs_is_fetched_from_the_start(
    server: Site, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(b"of another file" * 1000)
    digest = server.put(FILE, BODY)
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert server.ranges_of(FILE) == ["bytes=15000-", ""]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_file_that_changed_while_it_came_is_fetched_from_the_start(
    server: Site, client: Client, tmp_path: Path
) -> None:
    digest = server.put(FILE, BODY)
    server.plan(FILE, Answer(body=bytes(len(BODY)), cut=300_000))
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_of(FILE) == ["", "bytes=300000-", ""]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    (tmp_path / "file.part").write_bytes(BODY + b"more")
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_that_sends_another_part_than_asked_for_is_not_believed(
    server: Site, client: Client, tmp_path: Path
) -> None:
    digest = server.put(FILE, BODY)
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    server.plan(FILE, Answer(headers={"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"}))
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert (tmp_path / "file").read_bytes() == BODY


def test_the_wrong_file_is_refused_and_nothing_is_left(server: Site, client: Client, tmp_path: Path) -> None:
    server.put(FILE, BODY)
    (tmp_path / "file").write_text("old")
    with pytest.raises(
        ChecksumMismatch, match=r"not the published file: its SHA-256 is [0-9a-f]{64}, not 00"
    ) as caught:
        client.web.download(server.url + FILE, tmp_path / "file", sha256="00" * 32)
    assert caught.value.exit_code == 6
    assert (tmp_path / "file").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert server.count(FILE) == 1


def test_a_server_that_announces_too_much_is_not_believed(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)
    server.plan(FILE, Answer(claims=len(BODY) + 10))
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_that_announces_too_little_is_caught_by_the_checksum(
    server: Site, client: Client, tmp_path: Path
) -> None:
    digest = server.put(FILE, BODY)
    server.plan(FILE, Answer(claims=1000))
    with pytest.raises(ChecksumMismatch):
        client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert list(tmp_path.iterdir()) == []


def test_a_file_over_the_limit_is_not_even_begun(server: Site, client: Client, tmp_path: Path) -> None:
    server.put(FILE, BODY)
    with pytest.raises(DownloadFailed, match="larger than"):
        client.web.download(server.url + FILE, tmp_path / "file", limit=1 << 19)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_hides_its_length_is_stopped_at_the_limit(server: Site, client: Client, tmp_path: Path) -> None:
    server.put(FILE, BODY)
    server.plan(FILE, Answer(headers={"Content-Length": "x"}, cut=len(BODY)))
    with pytest.raises(CiliumctlError):
        client.web.download(server.url + FILE, tmp_path / "file", limit=1 << 19, attempts=1)
    assert not (tmp_path / "file").exists()


def test_a_disk_that_cannot_be_written_is_not_the_networks_fault(server: Site, client: Client, tmp_path: Path) -> None:
    server.put(FILE, BODY)
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(Missing, match="cannot be written") as caught:
        client.web.download(server.url + FILE, tmp_path / "folder" / "file")
    assert caught.value.exit_code == 8
    assert server.asked == []


def test_an_interrupt_leaves_what_has_come_for_the_next_run(server: Site, client: Client, tmp_path: Path) -> None:
    digest = server.put(FILE, BODY)

    def interrupt(_done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.web.download(server.url + FILE, tmp_path / "file", sha256=digest, progress=interrupt)
    kept = (tmp_path / "file.part").stat().st_size
    assert 0 < kept < len(BODY)
    client.web.download(server.url + FILE, tmp_path / "file", sha256=digest)
    assert server.ranges_of(FILE) == ["", f"bytes={kept}-"]


# Time


def test_nothing_is_fetched_after_the_deadline(server: Site, client: Client) -> None:
    client.web.deadline = Deadline(0.0)
    with pytest.raises(TimedOut, match="time is up") as caught:
        client.web.text(f"{server.url}/page")
    assert caught.value.exit_code == 4
    assert server.asked == []


def test_a_pause_is_never_longer_than_what_is_left(server: Site, client: Client) -> None:
    server.plan("/page", Answer(status=503, headers={"Retry-After": "9"}))
    server.put("/page", "here")
    client.web.deadline = Deadline.after(5.0)
    assert client.web.text(f"{server.url}/page") == "here"
    assert client.slept[0] <= 5.0


def test_a_server_that_says_nothing_is_left(server: Site, client: Client) -> None:
    release = threading.Event()
    server.plan("/page", Answer(waits=release))
    with pytest.raises(DownloadFailed, match="did not answer in time"):
        client.web.text(f"{server.url}/page", timeout=0.2, attempts=1)
    release.set()
    assert READ_TIMEOUT > 0.2


# Proxies and authorities


def test_requests_go_through_the_proxy_of_the_environment(server: Site, client: Client) -> None:
    server.put("/page", "from the proxy")
    web = client.make(environ={"HTTP_PROXY": server.url})
    assert web.text("http://nowhere.invalid/page") == "from the proxy"
    assert server.asked[0].target == "http://nowhere.invalid/page"


def test_no_proxy_excepts_a_network(server: Site, client: Client) -> None:
    web = client.make(environ={"HTTP_PROXY": server.url, "NO_PROXY": "203.0.113.0/24"})
    server.put("/page", "from the proxy")
    assert web.text("http://198.51.100.1/page") == "from the proxy"
    with pytest.raises(DownloadFailed):
        web.text("http://203.0.113.9/page", timeout=0.1, attempts=1)
    assert len(server.asked) == 1


def test_a_redirect_goes_through_the_proxy_that_its_own_address_needs(server: Site, client: Client) -> None:
    with site() as mirror:
        mirror.plan("/page", Answer(status=302, headers={"Location": "http://outside.invalid/page"}))
        server.put("/page", "from the proxy")
        web = client.make(environ={"HTTP_PROXY": server.url})
        assert web.text(f"{mirror.url}/page") == "from the proxy"


def test_a_proxy_that_refuses_is_named(client: Client) -> None:
    web = client.make(environ={"HTTPS_PROXY": f"http://127.0.0.1:{_free_port()}"})
    with pytest.raises(DownloadFailed):
        web.text("https://get.helm.sh/x", attempts=1)


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "gopher://proxy", "http://"])
def test_a_proxy_that_cannot_be_used_is_said(client: Client, proxy: str) -> None:
    web = client.make(environ={"ALL_PROXY": proxy})
    with pytest.raises(DownloadFailed):
        web.text("http://get.helm.invalid/x", attempts=1)


@pytest.fixture
def secured(server: Site, tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    ca, cert, key = authority(tmp_path)
    server.secure(cert, key)
    return ca


def test_a_private_authority_is_trusted_when_it_is_given(server: Site, client: Client, secured: Path) -> None:
    server.put("/page", "here")
    assert client.make(ca_file=str(secured)).text(f"{server.url}/page") == "here"


@pytest.mark.usefixtures("secured")
def test_an_unknown_authority_is_refused_once_with_what_to_do(server: Site, client: Client) -> None:
    with pytest.raises(DownloadFailed, match=r"certificate of `127\.0\.0\.1` is not trusted") as caught:
        client.web.text(f"{server.url}/page")
    assert "--ca-file" in caught.value.hint
    assert client.slept == []


def test_https_never_leads_to_http(server: Site, client: Client, secured: Path) -> None:
    server.plan("/page", Answer(status=302, headers={"Location": "http://127.0.0.1:1/page"}))
    with pytest.raises(DownloadFailed, match="unencrypted"):
        client.make(ca_file=str(secured)).text(f"{server.url}/page")


def test_a_file_of_authorities_that_is_none_is_said(server: Site, client: Client, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    with pytest.raises(BadFile, match="not a file of certificate authorities"):
        client.make(ca_file=str(broken)).text(f"{server.url}/page")


# Errors


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _refused(web: Web, _server: Site) -> None:
    web.text(f"http://127.0.0.1:{_free_port()}/x", attempts=1)


def _unknown_name(web: Web, _server: Site) -> None:
    web.text("http://nowhere.invalid/x")


def _no_address(web: Web, _server: Site) -> None:
    web.text("ftp://nowhere/x")


def _nonsense(web: Web, _server: Site) -> None:
    web.text("http://[broken/x")


def _empty(web: Web, _server: Site) -> None:
    web.text("")


def _no_port(web: Web, _server: Site) -> None:
    web.text("http://localhost:99999/x")


def _no_name(web: Web, _server: Site) -> None:
    web.text(f"http://{'a' * 70}.\u00e9/x")


def _not_http(web: Web, server: Site) -> None:
    server.plan("/x", *[Answer(headers={"Bad Header": "\x00"})] * 4)
    web.text(f"{server.url}/x")


def _bad_encoding(web: Web, server: Site) -> None:
    server.plan("/x", *[Answer(headers={"Content-Encoding": "gzip"}, body=b"not gzip")] * 4)
    web.text(f"{server.url}/x")


def _bad_redirect(web: Web, server: Site) -> None:
    server.plan("/x", *[Answer(status=302, headers={"Location": "http://[broken"})] * 4)
    web.text(f"{server.url}/x")


@pytest.mark.parametrize(
    "request_it",
    [
        _refused,
        _unknown_name,
        _no_address,
        _nonsense,
        _empty,
        _no_port,
        _no_name,
        _not_http,
        _bad_encoding,
        _bad_redirect,
    ],
)
def test_no_exception_of_the_library_leaks(
    server: Site, client: Client, request_it: Callable[[Web, Site], None]
) -> None:
    with pytest.raises(DownloadFailed) as caught:
        request_it(client.web, server)
    assert not isinstance(caught.value, httpx.HTTPError)
    assert caught.value.hint


def test_a_password_in_an_address_is_never_shown(server: Site, client: Client) -> None:
    address = server.url.replace("http://", "http://robot:hunter2@")
    with pytest.raises(DownloadFailed) as caught:
        client.web.text(f"{address}/secret")
    assert "hunter2" not in caught.value.message + caught.value.hint + caught.value.detail
    assert shown(f"{address}/secret") == f"{server.url}/secret"
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
