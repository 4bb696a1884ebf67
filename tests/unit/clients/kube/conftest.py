"""A client for a scripted server, and certificates for one that speaks TLS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.kube import Kube
from ciliumctl.clients.kube.kubeconfig import Context
from ciliumctl.clients.kube.transport import Transport

SERVER_NAME = "api.cluster.test"


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def transport(
    url: str,
    *,
    user: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    slept: list[float] | None = None,
    **context: Any,
) -> Transport:
    """A connection to the server at `url`; sleeps are only noted."""
    place = Context(
        name="prod",
        cluster_name="prod",
        namespace="default",
        cluster={"server": url, **(cluster or {})},
        user={"token": "secret-token"} if user is None else user,
        **context,
    )
    sleep = (slept if slept is not None else []).append
    return Transport(place, environ=environ or {}, request_timeout=timeout, sleep=sleep)


def client(url: str, **options: Any) -> Kube:
    """A client for the server at `url`, with the options of `transport`."""
    return Kube(transport(url, **options))


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """A private authority with the certificates it signed."""

    folder: Path

    def path(self, name: str) -> str:
        """A file such as `ca.crt`, `server.key` or `client.crt`."""
        return str(self.folder / name)

    def server(self, *, name: str = "server", asks: bool = False) -> ssl.SSLContext:
        """How a server with the certificate `name` speaks; it `asks` for a certificate of the client or not."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(f"{name}.crt"), self.path(f"{name}.key"))
        if asks:
            context.load_verify_locations(self.path("ca.crt"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """`server` is for a name, `local` for 127.0.0.1, `client` for the user jane."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", "req", "-x509", *new, *arguments], check=True, capture_output=True, cwd=folder)

    openssl("-subj", "/CN=private", "-keyout", "ca.key", "-out", "ca.crt", "-addext", "keyUsage=keyCertSign")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:false"]
    for name, subject, alternative in (
        ("server", SERVER_NAME, f"DNS:{SERVER_NAME}"),
        ("local", "local", "IP:127.0.0.1"),
        ("client", "jane", "email:jane@example.test"),
    ):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        openssl(*signed, "-subj", f"/CN={subject}", *files, "-addext", f"subjectAltName={alternative}")
    return Certificates(folder=folder)
