"""Certificates for a throwaway control plane, made by Helm.

Helm is needed anyway and carries sprig's certificate functions; so neither openssl nor a cryptography package is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ciliumctl.clients.helm import Helm, Inputs
from ciliumctl.yaml_files import parse

DAYS = 365
_TEMPLATE = """\
{{- $ca := genCA "ciliumctl lab" (int .Values.days) }}
{{- $server := genSignedCert "kube-apiserver" .Values.addresses .Values.names (int .Values.days) $ca }}
{{- $accounts := genSignedCert "service accounts" nil nil (int .Values.days) $ca }}
pki: {{ dict "ca" $ca.Cert "cert" $server.Cert "key" $server.Key "accounts" $accounts.Key | toJson }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """PEM files: an authority, a serving certificate with its key, and a key that signs service account tokens."""

    ca: Path
    cert: Path
    key: Path
    accounts: Path


def make(helm: Helm, folder: Path, *, addresses: Sequence[str], names: Sequence[str]) -> Pki:
    """Make the files in `folder`, the keys readable by this user alone."""
    with tempfile.TemporaryDirectory(prefix="ciliumctl-") as scratch:
        chart = Path(scratch) / "pki"
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: pki, version: 0.0.0}\n")
        (chart / "templates" / "pki.yaml").write_text(_TEMPLATE)
        values = {"days": DAYS, "addresses": list(addresses), "names": list(names)}
        rendered = helm.render("pki", str(chart), Inputs(generated=values), namespace="default")
    pems = parse(rendered)["pki"]
    folder.mkdir(parents=True, exist_ok=True)
    pki = Pki(ca=folder / "ca.crt", cert=folder / "server.crt", key=folder / "server.key", accounts=folder / "sa.key")
    for path, name in ((pki.ca, "ca"), (pki.cert, "cert"), (pki.key, "key"), (pki.accounts, "accounts")):
        path.touch(mode=0o600)
        path.write_text(pems[name])
    return pki
