"""Fetch things from the web: proxies, private authorities, retries, resumed downloads, one kind of error."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import truststore

from ciliumctl import __version__
from ciliumctl.errors import BadFile, ChecksumMismatch, DownloadFailed, TimedOut
from ciliumctl.wait import Deadline

ATTEMPTS = 4
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
#: A page that we hold in memory: the largest is the chart repository's index with 1.7 MB.
PAGE_LIMIT = 64 << 20
DOWNLOAD_LIMIT = 2 << 30
_CHUNK = 256 * 1024
_AGAIN = {408, 425, 429, 500, 502, 503, 504}

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, or the word that it has not changed since `etag`."""

    body: bytes
    etag: str
    unchanged: bool


class Web:
    """A client for the web. Every failure is `DownloadFailed`, `ChecksumMismatch` or `TimedOut`."""

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
        self.deadline = Deadline()

    def get(self, url: str, *, etag: str = "", timeout: float = READ_TIMEOUT, attempts: int = ATTEMPTS) -> Page:
        """A page into memory; with `etag`, only when it has changed since."""
        headers = {"If-None-Match": etag} if etag else {}

        def once(_attempt: int) -> Page:
            with self._open(url, headers, timeout) as response:
                if response.status_code == 304:
                    return Page(body=b"", etag=etag, unchanged=True)
                body = bytearray()
                for piece in response.iter_bytes(_CHUNK):
                    body += piece
                    if len(body) > PAGE_LIMIT:
                        raise DownloadFailed(f"`{url}` is larger than {PAGE_LIMIT >> 20} MiB", hint="check the address")
                return Page(body=bytes(body), etag=response.headers.get("ETag", ""), unchanged=False)

        return self._again(url, once, attempts)

    def text(self, url: str, *, timeout: float = READ_TIMEOUT, attempts: int = ATTEMPTS) -> str:
        """A page as text."""
        return self.get(url, timeout=timeout, attempts=attempts).body.decode("utf-8", "replace")

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
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        resumed = part.exists()
        self._again(url, lambda _attempt: self._more(url, part, limit, progress), attempts)
        digest = sha256_of(part)
        if sha256 and digest != sha256.lower() and resumed:
            # What lay there may be of another file: once more, from the start.
            part.unlink()
            self._again(url, lambda _attempt: self._more(url, part, limit, progress), attempts)
            digest = sha256_of(part)
        if sha256 and digest != sha256.lower():
            part.unlink()
            raise ChecksumMismatch(
                f"what came from `{url}` is not the published file: its SHA-256 is {digest}, not {sha256.lower()}",
                hint="try again; if it persists, the mirror, the proxy or the publisher changed it: do not use it",
            )
        part.replace(path)
        return digest

    def _more(self, url: str, part: Path, limit: int, progress: Progress) -> None:
        """Add what is missing to `part`."""
        have = part.stat().st_size if part.exists() else 0
        # A compressed transfer could not be resumed.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._open(url, headers, READ_TIMEOUT, allowed={416}) as response:
            if response.status_code == 416:
                if response.headers.get("Content-Range", "") == f"bytes */{have}":
                    return
                part.unlink(missing_ok=True)
                raise httpx.ReadError("the server cannot resume the download")
            if response.status_code != 206:
                have = 0
            announced = response.headers.get("Content-Length", "")
            total = have + int(announced) if announced.isdigit() else None
            if total is not None and total > limit:
                raise DownloadFailed(f"`{url}` is larger than {limit >> 20} MiB", hint="check the address")
            with part.open("ab" if have else "wb") as file:
                for piece in response.iter_raw(_CHUNK):
                    file.write(piece)
                    have += len(piece)
                    if have > limit:
                        raise DownloadFailed(f"`{url}` is larger than {limit >> 20} MiB", hint="check the address")
                    progress(have, total)
                    self._check_time(url)

    @contextmanager
    def _open(
        self, url: str, headers: Mapping[str, str], timeout: float, allowed: frozenset[int] | set[int] = frozenset()
    ) -> Iterator[httpx.Response]:
        """Open a GET; raises `_Failed` for a status that says no, `httpx` errors for the rest."""
        seconds = self._check_time(url, timeout)
        timeouts = httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT))
        agent = {"User-Agent": f"ciliumctl/{__version__}"}
        client = self._direct if self._bypassed(url) else self._client
        with client.stream("GET", url, headers={**agent, **headers}, timeout=timeouts) as response:
            status = response.status_code
            if status >= 400 and status not in allowed:
                raise _Status(status, response.headers.get("Retry-After", ""))
            yield response

    def _again(self, url: str, once: Callable[[int], T], attempts: int) -> T:
        attempt = 1
        while True:
            try:
                return once(attempt)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, _Status, OSError) as error:
                if attempt >= attempts or not _worth_another_try(error):
                    raise _explain(url, error) from error
                after = error.retry_after if isinstance(error, _Status) else ""
                self._sleep(
                    self.deadline.left(min(float(after), 10.0) if after.isdigit() else 0.5 * 2 ** (attempt - 1))
                )
                attempt += 1

    def _check_time(self, url: str, wanted: float = READ_TIMEOUT) -> float:
        left = self.deadline.left(wanted)
        if left <= 0:
            raise TimedOut(f"the time is up before `{url}` was fetched", hint="raise `--timeout`")
        return left

    def _bypassed(self, url: str) -> bool:
        """Whether `NO_PROXY` names a network that the address is in: httpx only knows names there."""
        try:
            address = ipaddress.ip_address(urlsplit(url).hostname or "")
        except ValueError:
            return False
        for entry in (self._environ.get("NO_PROXY") or self._environ.get("no_proxy") or "").split(","):
            try:
                if address in ipaddress.ip_network(entry.strip(), strict=False):
                    return True
            except ValueError:
                continue
        return False

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

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(follow_redirects=True, verify=self._tls)

    @cached_property
    def _direct(self) -> httpx.Client:
        return httpx.Client(follow_redirects=True, verify=self._tls, trust_env=False)


class _Status(Exception):
    """A status that says no."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after = retry_after


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, _Status):
        return error.status in _AGAIN
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.TooManyRedirects):
        return False
    text = str(error).lower()
    return "certificate" not in text and "name or service not known" not in text and "nodename nor" not in text


def _explain(url: str, error: Exception) -> DownloadFailed:
    """Say in one sentence why a page or a file cannot be had."""
    host = urlsplit(url).hostname or url
    text = str(error) or type(error).__name__
    if isinstance(error, _Status):
        hint = {
            401: "log in to the mirror, or use another one",
            403: "check that the mirror, or the proxy, lets you have it",
            404: "check the version and the address",
            407: "give the proxy's user in `HTTPS_PROXY`",
        }.get(error.status, "try again later, or use a mirror")
        return DownloadFailed(f"`{url}` answered {error.status}", hint=hint)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return DownloadFailed(f"`{url}` is not an address that can be fetched", hint="use https://, http:// or a path")
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
        f"`{url}` cannot be fetched: {text}", hint="check the network and `HTTPS_PROXY`; offline, give a local file"
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
