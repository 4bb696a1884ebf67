from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ciliumctl import yaml_files
from ciliumctl.clients.helm import Release, decode
from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.rollback import hazards
from ciliumctl.rollback.hazards import Hazard, Way
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, size] if size < 0x80 else [tag, 0x82, *size.to_bytes(2, "big")]) + content


def certificate(ends: str) -> str:
    """As much of a certificate as tells when it ends."""
    moments = der(0x17, b"250101000000Z") + der(0x17, ends.encode())
    filler = der(0x30, b"")
    body = der(0xA0, der(0x02, b"\x02")) + der(0x02, b"\x01") + filler + filler + der(0x30, moments)
    text = base64.encodebytes(der(0x30, der(0x30, body + filler) + filler)).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def release(version: str, *items: dict[str, Any], revision: int = 1) -> Release:
    manifest = "---\n".join(yaml_files.dump(item) for item in items)
    return decode(objects.release(version=version, manifest=manifest, revision=revision))


def item(kind: str, name: str, **more: Any) -> dict[str, Any]:
    version = {"DaemonSet": "apps/v1", "CronJob": "batch/v1"}.get(kind, "v1")
    place = {} if kind in {"Namespace", "ClusterRole"} else {"namespace": "kube-system"}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **more}


def secret(name: str, **data: str) -> dict[str, Any]:
    texts = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return item("Secret", name, data=texts)


def find(cluster: FakeCluster, folder: Path, before: Release, after: Release, helm_major: int = 3) -> dict[str, Hazard]:
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(folder))), {})
    found = hazards.find(kube, Way.between(before, after), helm_major=helm_major, now=NOW)
    return {hazard.code: hazard for hazard in found}


def test_a_change_of_values_alone_has_no_hazard(cluster: FakeCluster, tmp_path: Path) -> None:
    assert find(cluster, tmp_path, release("1.16.1"), release("1.16.1")) == {}


def test_users_secrets_in_a_namespace_that_goes_are_named(cluster: FakeCluster, tmp_path: Path) -> None:
    before = release("1.17.0", item("Namespace", "cilium-secrets"))
    assert find(cluster, tmp_path, before, release("1.16.0"))["namespace"].severity == "note"
    mine = secret("shop-tls")
    mine["metadata"]["namespace"] = "cilium-secrets"
    cluster.add(mine)
    found = find(cluster, tmp_path, before, release("1.16.0"))["namespace"]
    assert found.severity == "destructive"
    assert found.objects == ("Secret cilium-secrets/shop-tls",)
    assert "`shop-tls`" in found.message


def test_an_envoy_that_goes_resets_connections(cluster: FakeCluster, tmp_path: Path) -> None:
    found = find(cluster, tmp_path, release("1.16.0", item("DaemonSet", "cilium-envoy")), release("1.15.0"))
    assert found["envoy"].severity == "warning"


def test_more_than_one_minor_back_is_untested_and_one_is_not_told(cluster: FakeCluster, tmp_path: Path) -> None:
    assert "2 minor versions back" in find(cluster, tmp_path, release("1.18.0"), release("1.16.0"))["minors"].message
    assert "minors" not in find(cluster, tmp_path, release("1.18.0"), release("1.17.0"))


def test_certificates_that_have_ended_are_told_with_the_day(cluster: FakeCluster, tmp_path: Path) -> None:
    stored = release("1.15.0", secret("hubble-server-certs", tls_crt=certificate("260101000000Z")))
    found = find(cluster, tmp_path, release("1.16.0"), stored)["certificate-expired"]
    assert "`hubble-server-certs` ended on 2026-01-01" in found.message
    stored = release("1.15.0", secret("hubble-server-certs", tls_crt=certificate("280101000000Z")))
    assert "certificate-expired" not in find(cluster, tmp_path, release("1.16.0"), stored)


def test_certificates_of_another_authority_than_the_one_in_place_are_told(cluster: FakeCluster, tmp_path: Path) -> None:
    leaf = secret("hubble-server-certs", ca_crt="one")
    cluster.add(secret("cilium-ca", ca_crt="two"))
    found = find(cluster, tmp_path, release("1.16.0"), release("1.15.0", leaf))
    assert "`hubble-server-certs`" in found["certificate-authority"].message
    both = release("1.15.0", leaf, secret("cilium-ca", ca_crt="one"))
    found = find(cluster, tmp_path, release("1.16.0"), both)
    assert set(found) & {"authority", "certificate-authority"} == {"authority"}


def operator(*crds: str) -> dict[str, Any]:
    rules = [{"apiGroups": ["x"], "resources": ["customresourcedefinitions"], "resourceNames": list(crds)}]
    return item("ClusterRole", "cilium-operator", rules=rules)


def test_objects_that_the_older_version_does_not_know_are_counted(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.kinds.append(("cilium.io", "v2", "ciliumfuturethings", "CiliumFutureThing", False))
    cluster.add(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "ciliumfuturethings.cilium.io"},
            "spec": {"versions": [{"name": "v2", "storage": True}]},
        },
        {"apiVersion": "cilium.io/v2", "kind": "CiliumFutureThing", "metadata": {"name": "mine"}},
    )
    before = release("1.17.0", operator("ciliumnodes.cilium.io", "ciliumfuturethings.cilium.io"))
    found = find(cluster, tmp_path, before, release("1.16.0", operator("ciliumnodes.cilium.io")))
    assert "1 objects of `ciliumfuturethings.cilium.io`" in found["unknown-objects"].message
    assert found["crds"].severity == "note"


def test_fields_that_somebody_else_set_are_conflicts_for_helm_4_alone(cluster: FakeCluster, tmp_path: Path) -> None:
    def config(value: str) -> dict[str, Any]:
        return item("ConfigMap", "cilium-config", data={"debug": value})

    live = config("true")
    live["metadata"]["managedFields"] = [
        {"manager": "helm", "fieldsV1": {"f:data": {}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:data": {}}},
        {"manager": "somebody", "fieldsV1": {"f:metadata": {}}},
    ]
    cluster.add(live)
    before, after = release("1.16.0", config("true")), release("1.16.0", config("false"))
    assert find(cluster, tmp_path, before, after, helm_major=4) == {}
    applied = replace(before, apply_method="ssa")
    assert find(cluster, tmp_path, applied, after) == {}
    found = find(cluster, tmp_path, applied, after, helm_major=4)["conflict"]
    assert "`cilium-config` was changed by kubectl-edit" in found.message


def test_what_may_not_be_looked_at_is_said(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.faults.append(Fault(pattern="secrets", status=403, message="no"))
    found = find(cluster, tmp_path, release("1.17.0", item("Namespace", "cilium-secrets")), release("1.16.0"))
    assert "not checked" in found["not-looked"].message
