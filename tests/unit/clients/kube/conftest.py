"""Certificates for an API server that speaks TLS, made once."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SERVER_NAME = "api.cluster.test"


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
