from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ciliumctl.clients.helm.storage import decode, revision_of, unpack_chart
from ciliumctl.errors import HelmFailed

BODY: dict[str, Any] = {
    "name": "cilium",
    "namespace": "kube-system",
    "version": 3,
    "config": {"operator": {"replicas": 1}},
    "manifest": "kind: X\n",
    "info": {"status": "deployed", "last_deployed": "2026-01-02T03:04:05Z", "description": "Install complete"},
    "chart": {
        "metadata": {"name": "cilium", "version": "1.15.6", "appVersion": "v1.15.6"},
        "values": {"debug": {"enabled": False}},
        "templates": [{"name": "templates/a.yaml", "data": base64.b64encode(b"a: 1").decode()}],
        "files": [{"name": "README.md", "data": base64.b64encode(b"hello").decode()}],
        "schema": base64.b64encode(b"{}").decode(),
    },
}


def secret(body: object = None, *, compressed: bool = True, kind: str = "Secret") -> dict[str, Any]:
    data = json.dumps(BODY if body is None else body).encode()
    packed = base64.b64encode(gzip.compress(data) if compressed else data)
    return {
        "kind": kind,
        "metadata": {
            "name": "sh.helm.release.v1.cilium.v3",
            "namespace": "kube-system",
            "labels": {"owner": "helm", "name": "cilium", "version": "3", "status": "deployed"},
        },
        "data": {"release": packed.decode() if kind == "ConfigMap" else base64.b64encode(packed).decode()},
    }


@pytest.mark.parametrize(
    "stored", [secret(), secret(compressed=False), secret(kind="ConfigMap")], ids=["secret", "plain", "configmap"]
)
def test_a_release_is_read_without_running_helm(stored: dict[str, Any]) -> None:
    release = decode(stored)
    assert (release.name, release.namespace, release.revision) == ("cilium", "kube-system", 3)
    assert (release.status, release.chart_version, release.app_version) == ("deployed", "1.15.6", "1.15.6")
    assert release.config == {"operator": {"replicas": 1}}
    assert not release.pending


def test_a_revision_is_known_from_labels_alone() -> None:
    revision = revision_of({"metadata": secret()["metadata"]})
    assert revision is not None
    assert (revision.name, revision.revision, revision.status) == ("cilium", 3, "deployed")


@pytest.mark.parametrize("labels", [{}, {"owner": "someone"}, {"owner": "helm", "version": "x"}])
def test_other_secrets_are_no_revisions(labels: dict[str, str]) -> None:
    assert revision_of({"metadata": {"labels": labels}}) is None


@pytest.mark.parametrize(
    "stored",
    [
        {"metadata": {"name": "x"}, "data": {}},
        {"metadata": {"name": "x"}, "data": {"release": "%%%"}},
        {
            "metadata": {"name": "x"},
            "data": {"release": base64.b64encode(base64.b64encode(b"\x1f\x8b\x08xx")).decode()},
        },
        secret({"name": "cilium"}),
        secret([]),
    ],
)
def test_a_damaged_release_is_said_to_be_damaged(stored: dict[str, Any]) -> None:
    with pytest.raises(HelmFailed, match="is damaged"):
        decode(stored)


def test_a_release_s_chart_can_be_unpacked_and_used_again(tmp_path: Path) -> None:
    chart = unpack_chart(decode(secret()), tmp_path)
    assert chart == tmp_path / "cilium"
    assert json.loads((chart / "Chart.yaml").read_text())["version"] == "1.15.6"
    assert json.loads((chart / "values.yaml").read_text()) == {"debug": {"enabled": False}}
    assert (chart / "templates" / "a.yaml").read_text() == "a: 1"
    assert (chart / "values.schema.json").read_text() == "{}"


def test_a_stored_chart_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    body = json.loads(json.dumps(BODY))
    body["chart"]["files"] = [{"name": "../../evil", "data": base64.b64encode(b"x").decode()}]
    with pytest.raises(HelmFailed, match="outside"):
        unpack_chart(decode(secret(body)), tmp_path / "deep")
    assert not (tmp_path / "evil").exists()
