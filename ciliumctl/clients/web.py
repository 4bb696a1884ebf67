"""Fetch things from the web: proxies, private authorities, retries, resumed downloads, one kind of error."""

from __future__ import annotations

import hashlib
import os
import queue
import ssl
import threading
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import httpx
import truststore

from ciliumctl import __version__
from ciliumctl.clients.proxies import proxy_for
from ciliumctl.errors import BadFile, ChecksumMismatch, CiliumctlError, DownloadFailed, Missing, TimedOut
from ciliumctl.wait import Deadline

ATTEMPTS = 4
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
#: The longest that a server's `Retry-After` is obeyed.
PATIENCE = 10.0
REDIRECTS = 10
#: A page that we hold in memory: the largest is the chart repository's index with 1.7 MB.
PAGE_LIMIT = 64 << 20
DOWNLOAD_LIMIT = 2 << 30
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, or the word that it has not changed since `etag`."""

    body: bytes
    etag: str
    unchanged: bool


class Web:
    """A client for the web. Every failure is `DownloadFailed`, `ChecksumMismatch`, `TimedOut`, `BadFile` or `Missing`.

    `BadFile` is a file of authorities that cannot be read, `Missing` a disk that cannot be written.
    """

    def __init__(
        self,
        *,
        ca_file: str = "",
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ca_file = ca_file
        self._environ = os.environ if environ is None else environ
        self._sleep = sleep
        self._clients: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()
        self.deadline = Deadline()
        #: Told of each answer: method, address and status.
        self.trace: Callable[[str], None] | None = None

    def get(
        self,
        url: str,
        *,
        etag: str = "",
        timeout: float = READ_TIMEOUT,
        attempts: int = ATTEMPTS,
        limit: int = PAGE_LIMIT,
    ) -> Page:
        """A page into memory; with `etag`, only when it has changed since."""
        headers = {"If-None-Match": etag} if etag else {}

        def once() -> Page:
            with self._open(url, headers, timeout) as response:
                if response.status_code == 304:
                    return Page(body=b"", etag=etag, unchanged=True)
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > limit:
                        raise _too_large(url, limit)
                    self._check_time(url)
                return Page(body=bytes(body), etag=response.headers.get("ETag", ""), unchanged=False)

        return self._again(url, once, attempts)

    def text(
        self, url: str, *, timeout: float = READ_TIMEOUT, attempts: int = ATTEMPTS, limit: int = PAGE_LIMIT
    ) -> str:
        """A page as text."""
        return self.get(url, timeout=timeout, attempts=attempts, limit=limit).body.decode("utf-8", "replace")

    def head(
        self, url: str, headers: Mapping[str, str], *, timeout: float = READ_TIMEOUT
    ) -> tuple[int, dict[str, str]]:
        """Status and headers of a HEAD request, whatever the status is; header names in lower case."""

        def once() -> tuple[int, dict[str, str]]:
            with self._open(url, headers, timeout, allowed=range(400, 600), method="HEAD") as response:
                return response.status_code, {name.lower(): value for name, value in response.headers.items()}

        return self._again(url, once, 1)

    def glance(self, url: str, *, seconds: float = 2.0) -> str:
        """A small page as text, for a look-up that must not hold up or fail a command.

        Returns an empty string when it does not come within `seconds`: names that do not resolve and servers that
        drip can take far longer than any time-out of a connection.
        """
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()

        def look() -> None:
            try:
                answers.put(self.text(url, timeout=seconds, attempts=1, limit=1 << 20))
            except CiliumctlError:
                answers.put("")

        threading.Thread(target=look, daemon=True).start()
        try:
            return answers.get(timeout=self.deadline.left(seconds))
        except queue.Empty:
            return ""

    def unreachable(self, urls: Collection[str], *, seconds: float = 4.0) -> dict[str, DownloadFailed]:
        """Those of `urls` where nothing answers within `seconds`, each with the reason; all are asked at once.

        Any answer counts, a refusal too. For callers that have another way, and need not wait for this one.
        """
        answers: queue.SimpleQueue[tuple[str, DownloadFailed | None]] = queue.SimpleQueue()

        def ask(url: str) -> None:
            try:
                self._again(url, lambda: self._touch(url, seconds), 1)
            except DownloadFailed as error:
                answers.put((url, error))
            except CiliumctlError:
                answers.put((url, None))
            else:
                answers.put((url, None))

        for url in urls:
            threading.Thread(target=ask, args=(url,), daemon=True).start()
        end = self.deadline.within(seconds)
        found: dict[str, DownloadFailed | None] = {url: _explain(url, httpx.ConnectTimeout("")) for url in urls}
        for _url in urls:
            try:
                url, error = answers.get(timeout=end.left())
            except queue.Empty:
                break
            found[url] = error
        return {url: error for url, error in found.items() if error is not None}

    def _touch(self, url: str, seconds: float) -> None:
        with self._open(url, {"Range": "bytes=0-0"}, seconds, allowed=range(400, 600)):
            """Whatever it says, it answers."""

    def download(
        self,
        url: str,
        path: Path,
        *,
        sha256: str = "",
        limit: int = DOWNLOAD_LIMIT,
        progress: Progress = lambda _done, _total: None,
        attempts: int = ATTEMPTS,
    ) -> str:
        """Download `url` to `path` and return the SHA-256 of it, in hexadecimal.

        A download that was cut goes on where it stopped, also in a later run: what has come lies in `path` with
        `.part` behind it. Only a whole file, with the right checksum when `sha256` is given, is moved to `path`.
        """
        part = path.with_name(path.name + ".part")
        wanted = sha256.lower()
        with _writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            pieced = part.exists()
        digest = ""
        # Pieces of two files do not make one: once more from the start, when the file was put together.
        for last in (not pieced, True):
            pieced = self._fetch(url, part, limit, progress, attempts) or pieced
            digest = sha256_of(part)
            if not wanted or digest == wanted or (last and not pieced):
                break
            part.unlink()
            pieced = False
        if wanted and digest != wanted:
            part.unlink(missing_ok=True)
            raise ChecksumMismatch(
                f"what came from `{shown(url)}` is not the published file: its SHA-256 is {digest}, not {wanted}",
                hint="try again; if it persists, the mirror, the proxy or the publisher changed it: do not use it",
            )
        with _writing(path):
            part.replace(path)
        return digest

    def _fetch(self, url: str, part: Path, limit: int, progress: Progress, attempts: int) -> bool:
        """Complete `part`. Returns whether it was put together from several answers."""
        answers = 0

        def once() -> None:
            nonlocal answers
            answers += 1
            self._more(url, part, limit, progress)

        self._again(url, once, attempts)
        return answers > 1

    def _more(self, url: str, part: Path, limit: int, progress: Progress) -> None:
        """Add what is missing to `part`."""
        have = part.stat().st_size if part.exists() else 0
        # A compressed transfer could not be resumed.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._open(url, headers, READ_TIMEOUT, allowed={416}) as response:
            said = response.headers.get("Content-Range", "")
            if response.status_code == 416 and said == f"bytes */{have}":
                return
            if response.status_code == 416 or (have and response.status_code == 206 and _start(said) != have):
                part.unlink(missing_ok=True)
                raise httpx.ReadError("the server cannot resume the download")
            if response.status_code != 206:
                have = 0
            announced = response.headers.get("Content-Length", "")
            total = have + int(announced) if announced.isdigit() else None
            if total is not None and total > limit:
                raise _too_large(url, limit)
            with _appending(part, fresh=not have) as file:
                for piece in response.iter_raw():
                    have += len(piece)
                    if have > limit:
                        part.unlink(missing_ok=True)
                        raise _too_large(url, limit)
                    with _writing(part):
                        file.write(piece)
                    progress(have, total)
                    self._check_time(url)

    @contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout: float,
        allowed: Container[int] = (),
        method: str = "GET",
    ) -> Iterator[httpx.Response]:
        """Open a GET, or a HEAD; raises `_Status` for a status that says no, `httpx` errors for the rest.

        Redirects are followed here, each through the proxy that its own address needs, and never from https to http.
        """
        sent = {"User-Agent": f"ciliumctl/{__version__}", **headers}
        target = httpx.URL(url)
        for _hop in range(REDIRECTS + 1):
            seconds = self._check_time(url, timeout)
            timeouts = httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT))
            with self._client(str(target)).stream(method, target, headers=sent, timeout=timeouts) as response:
                status = response.status_code
                if self.trace is not None:
                    self.trace(f"{method} {shown(str(target))} → {status}")
                if status in _REDIRECTS and "Location" in response.headers:
                    following = target.join(response.headers["Location"])
                    if target.scheme == "https" and following.scheme != "https":
                        raise DownloadFailed(
                            f"`{shown(url)}` leads to an unencrypted address, `{shown(str(following))}`",
                            hint="use another mirror",
                        )
                    if following.host != target.host:
                        # A token is for the one who asked for it.
                        sent.pop("Authorization", None)
                    target = following
                    continue
                if status >= 400 and status not in allowed:
                    raise _Status(status, response.headers.get("Retry-After", ""))
                yield response
                return
        raise DownloadFailed(f"`{shown(url)}` leads from one address to the next without end", hint="check the mirror")

    def _again(self, url: str, once: Callable[[], T], attempts: int) -> T:
        attempt = 1
        while True:
            try:
                return once()
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, _Status, OSError, ValueError) as error:
                if attempt >= attempts or not _worth_another_try(error):
                    raise _explain(url, error) from error
                after = error.retry_after if isinstance(error, _Status) else ""
                pause = min(float(after), PATIENCE) if after.isdigit() else 0.5 * 2 ** (attempt - 1)
                self._sleep(self.deadline.left(pause))
                attempt += 1

    def _check_time(self, url: str, wanted: float = READ_TIMEOUT) -> float:
        left = self.deadline.left(wanted)
        if left <= 0:
            raise TimedOut(f"the time is up before `{shown(url)}` was fetched", hint="raise `--timeout`")
        return left

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        paths = ssl.get_default_verify_paths()
        if not (paths.cafile or paths.capath):
            # A slim container has no authorities of its own.
            context = httpx.create_ssl_context()
        if self._ca_file:
            try:
                context.load_verify_locations(self._ca_file)
            except (OSError, ssl.SSLError) as error:
                raise BadFile(
                    f"`{self._ca_file}` is not a file of certificate authorities: {error}", hint="check `--ca-file`"
                ) from error
        return context

    def _client(self, url: str) -> httpx.Client:
        """The client for the proxy that `url` goes through."""
        proxy = proxy_for(url, self._environ)
        with self._lock:
            if proxy not in self._clients:
                try:
                    client = httpx.Client(verify=self._tls, trust_env=False, proxy=proxy or None)
                except (ImportError, ValueError, httpx.InvalidURL) as error:
                    raise DownloadFailed(
                        f"the proxy `{shown(proxy)}` cannot be used: {error}",
                        hint="name an http:// or https:// proxy in `HTTPS_PROXY`",
                    ) from error
                self._clients[proxy] = client
            return self._clients[proxy]

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


class _Status(Exception):
    """A status that says no."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after = retry_after


def shown(url: str) -> str:
    """An address without the user and password in it, for messages."""
    scheme, slashes, rest = url.partition("//")
    site, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{site.rpartition('@')[2]}{slash}{path}"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _start(content_range: str) -> int:
    """Where a part of a file begins; -1 when the header does not say."""
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _too_large(url: str, limit: int) -> DownloadFailed:
    return DownloadFailed(f"`{shown(url)}` is larger than {limit >> 20} MiB", hint="check the address")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk is not the network's fault."""
    try:
        yield
    except OSError as error:
        raise Missing(
            f"`{path}` cannot be written: {error.strerror}", hint="free some space, or mend the rights"
        ) from error


@contextmanager
def _appending(part: Path, *, fresh: bool) -> Iterator[BinaryIO]:
    with _writing(part):
        file = part.open("wb" if fresh else "ab")
    try:
        yield file
    finally:
        with _writing(part):
            file.close()


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, _Status):
        return error.status in _AGAIN
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | ValueError):
        return False
    text = str(error).lower()
    return "certificate" not in text and "name or service not known" not in text and "nodename nor" not in text


def _explain(url: str, error: Exception) -> DownloadFailed:
    """Say in one sentence why a page or a file cannot be had."""
    host = _host(url)
    text = str(error) or type(error).__name__
    if isinstance(error, _Status):
        hint = {
            401: "log in to the mirror, or use another one",
            403: "check that the mirror, or the proxy, lets you have it",
            404: "check the version and the address",
            407: "give the proxy's user in `HTTPS_PROXY`",
        }.get(error.status, "try again later, or use a mirror")
        return DownloadFailed(f"`{shown(url)}` answered {error.status}", hint=hint)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | ValueError):
        return DownloadFailed(
            f"`{shown(url)}` is not an address that can be fetched", hint="use https://, http:// or a path"
        )
    if "certificate" in text.lower():
        return DownloadFailed(
            f"the certificate of `{host}` is not trusted",
            hint="behind a TLS-inspecting proxy, give its authority with `--ca-file`",
            detail=text,
        )
    if isinstance(error, httpx.ProxyError):
        return DownloadFailed(f"the proxy does not let us reach `{host}`: {text}", hint="check `HTTPS_PROXY`")
    if isinstance(error, httpx.TimeoutException):
        return DownloadFailed(f"`{host}` did not answer in time", hint="check the network and `HTTPS_PROXY`")
    if "name" in text.lower() and ("known" in text.lower() or "resolution" in text.lower()):
        return DownloadFailed(
            f"the name `{host}` cannot be resolved",
            hint="check the network and `HTTPS_PROXY`; offline, give a local file or a mirror",
        )
    return DownloadFailed(
        f"`{shown(url)}` cannot be fetched: {text}",
        hint="check the network and `HTTPS_PROXY`; offline, give a local file",
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
