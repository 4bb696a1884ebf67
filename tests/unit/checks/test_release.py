from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ciliumctl.checks._scene import Certificate, Crd, Leftovers, Sent, Taint, Unmanaged
from ciliumctl.clients.helm import Revision
from ciliumctl.owners import Owner
from ciliumctl.owners.model import hints
from tests.unit.checks.scenes import NOW, installed, judge, node, scene, target

CRDS = {"ciliumnodes.cilium.io": "v2", "ciliumnodeconfigs.cilium.io": "v2"}


def revision(status: str, *, number: int = 2, name: str = "cilium", place: str = "kube-system") -> Revision:
    return Revision(name=name, namespace=place, revision=number, status=status)


def test_another_owner_is_named_with_its_command() -> None:
    owner = Owner(tool="Argo CD's application `net`", evidence=("its marks",), hints=hints("argocd app get net"))
    found = judge("CIL-REL-001", scene(owner=owner))
    assert (found.outcome, found.hint) == ("failed", "argocd app get net")
    assert judge("CIL-REL-001", scene()).outcome == "passed"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (revision("deployed"), "passed"),
        (revision("pending-upgrade"), "failed"),
        (revision("failed"), "warning"),
        (revision("pending-upgrade", place="elsewhere"), "passed"),
        (revision("deployed", name="cilium-preflight"), "warning"),
    ],
)
def test_the_state_of_the_release_decides(found: Revision, outcome: str) -> None:
    assert judge("CIL-REL-002", scene(releases=(found,))).outcome == outcome


def test_the_way_out_of_a_pending_release_is_named() -> None:
    for status in ("pending-upgrade", "pending-install"):
        assert "ciliumctl recover" in judge("CIL-REL-002", scene(releases=(revision(status),))).hint


def test_an_object_of_somebody_else_would_stop_helm() -> None:
    sent = (
        Sent(object="Namespace//cilium-secrets", there=True),
        Sent(object="Secret/kube-system/cilium-ca", there=True, owner="kube-system/old"),
        Sent(object="ConfigMap/kube-system/cilium-config", there=True, owner="kube-system/cilium"),
        Sent(object="DaemonSet/kube-system/cilium"),
    )
    found = judge("CIL-REL-003", scene(sent=sent))
    assert [finding.object for finding in found.findings] == [
        "Namespace//cilium-secrets",
        "Secret/kube-system/cilium-ca",
    ]
    assert "kubectl annotate namespace cilium-secrets meta.helm.sh/release-name=cilium" in found.hint


def test_objects_of_another_tool_are_that_tools_matter() -> None:
    owner = Owner(tool="Argo CD's application `net`", evidence=("its marks",), hints=hints("argocd app get net"))
    sent = (Sent(object="Secret/kube-system/cilium-ca", there=True),)
    assert judge("CIL-REL-003", scene(sent=sent, owner=owner)).outcome == "skipped"
    kubectl = replace(owner, tool="`kubectl apply`", adoptable=True)
    assert judge("CIL-REL-003", scene(sent=sent, owner=kubectl)).outcome == "failed"


def test_what_an_earlier_cilium_left_is_only_a_warning() -> None:
    marked = node(
        annotations=frozenset({"io.cilium.network.ipv4-pod-cidr", "other"}),
        taints=(Taint(key="node.cilium.io/agent-not-ready", value="", effect="NoSchedule"),),
    )
    look_at = scene(nodes=(marked,), crds=(Crd(name="ciliumnodes.cilium.io"),), leftovers=Leftovers(namespaces=("t",)))
    found = judge("CIL-REL-004", look_at)
    assert (found.outcome, len(found.findings)) == ("warning", 4)
    assert "ciliumctl connectivity cleanup" in found.hint
    assert judge("CIL-REL-004", scene()).outcome == "passed"


def test_the_marks_of_a_cilium_that_runs_are_no_leftovers() -> None:
    marked = node(annotations=frozenset({"io.cilium.network.ipv4-pod-cidr"}))
    look_at = scene(nodes=(marked,), crds=(Crd(name="ciliumnodes.cilium.io"),), existing=installed("1.18.12"))
    assert judge("CIL-REL-004", look_at).outcome == "passed"


@pytest.mark.parametrize(
    ("here", "there", "outcome"),
    [
        ("1.15.6", "1.15.6", "passed"),
        ("1.15.6", "1.15.19", "passed"),
        ("1.15.19", "1.16.19", "passed"),
        ("1.15.6", "1.17.0", "failed"),
        ("1.19.6", "1.18.12", "warning"),
        ("1.19.6", "1.17.0", "failed"),
        ("1.19.6", "2.0.0", "warning"),
        ("", "1.18.12", "skipped"),
    ],
)
def test_one_minor_version_at_a_time(here: str, there: str, outcome: str) -> None:
    existing = installed(here) if here else None
    assert judge("CIL-UPG-001", scene(there, existing=existing)).outcome == outcome


def test_the_step_that_was_left_out_is_named() -> None:
    found = judge("CIL-UPG-001", scene("1.18.12", existing=installed("1.15.6")))
    assert "1.16, 1.17" in found.message
    assert "--to 1.16" in found.hint


def test_the_newest_patch_comes_first_where_it_is_known() -> None:
    before = installed("1.15.6")
    assert judge("CIL-UPG-002", scene("1.16.19", existing=before, newest_patch="1.15.19")).outcome == "warning"
    assert judge("CIL-UPG-002", scene("1.16.19", existing=before, newest_patch="1.15.6")).outcome == "passed"
    assert judge("CIL-UPG-002", scene("1.16.19", existing=before)).outcome == "skipped"
    assert judge("CIL-UPG-002", scene("1.15.19", existing=before, newest_patch="1.15.19")).outcome == "skipped"


@pytest.mark.parametrize(
    ("here", "there", "policies", "outcome"),
    [
        ("1.15.5", "1.16.19", ("CiliumNetworkPolicy/web/out",), "failed"),
        ("1.15.5", "1.16.19", (), "passed"),
        ("1.15.6", "1.16.19", ("CiliumNetworkPolicy/web/out",), "skipped"),
        ("1.15.5", "1.15.19", ("CiliumNetworkPolicy/web/out",), "skipped"),
    ],
)
def test_policies_with_names_need_1_15_6_before_1_16(
    here: str, there: str, policies: tuple[str, ...], outcome: str
) -> None:
    assert judge("CIL-UPG-003", scene(there, existing=installed(here), fqdn_policies=policies)).outcome == outcome


def test_objects_of_a_kind_that_is_no_more_fail_and_an_empty_kind_warns() -> None:
    wanted = target("1.19.6", crds=CRDS)
    there = (Crd(name="ciliumbgppeeringpolicies.cilium.io", schema="1.30.0"),)
    with_one = scene(target=wanted, crds=there, orphans={there[0].name: ("/rack-1",)})
    found = judge("CIL-CRD-001", with_one)
    assert (found.outcome, found.findings[0].object) == ("failed", "ciliumbgppeeringpolicies//rack-1")
    assert "CiliumBGPClusterConfig" in found.hint
    assert judge("CIL-CRD-001", scene(target=wanted, crds=there, orphans={there[0].name: ()})).outcome == "warning"


def crds(*schemas: str) -> tuple[Crd, ...]:
    return tuple(Crd(name=name, schema=schema) for name, schema in zip(CRDS, schemas, strict=False))


@pytest.mark.parametrize(
    ("there", "outcome"),
    [(crds("1.31.2", "1.31.2"), "passed"), (crds("1.31.2", ""), "warning"), (crds("1.31.2", "1.30.1"), "warning")],
)
def test_crds_must_be_of_one_schema(there: tuple[Crd, ...], outcome: str) -> None:
    assert judge("CIL-CRD-002", scene(target=target(crds=CRDS), crds=there)).outcome == outcome


def test_crds_of_a_newer_cilium_are_told_of() -> None:
    found = judge("CIL-CRD-002", scene("1.17.0", crds=crds("1.31.2"), existing=installed("1.18.12")))
    assert found.outcome == "warning"


@pytest.mark.parametrize(
    ("version", "stored", "outcome"),
    [
        ("1.20.0", ("v2alpha1", "v2"), "failed"),
        ("1.20.0", ("v2",), "passed"),
        ("1.20.1", ("v2alpha1", "v2"), "passed"),
        ("1.19.6", ("v2alpha1", "v2"), "passed"),
    ],
)
def test_a_version_that_objects_are_stored_in_must_not_go(version: str, stored: tuple[str, ...], outcome: str) -> None:
    found = judge("CIL-CRD-003", scene(version, stored_versions={"ciliumnodeconfigs.cilium.io": stored}))
    assert found.outcome == outcome


def certificate(days: int) -> tuple[Certificate, ...]:
    return (Certificate(secret="hubble-server-certs", key="tls.crt", until=NOW + timedelta(days=days)),)


@pytest.mark.parametrize(("days", "outcome"), [(-1, "failed"), (3, "warning"), (29, "warning"), (31, "passed")])
def test_a_certificate_is_told_of_a_month_before_it_ends(days: int, outcome: str) -> None:
    assert judge("CIL-TLS-001", scene(certificates=certificate(days))).outcome == outcome


@pytest.mark.parametrize(
    ("version", "values", "words"),
    [
        ("1.18.12", {}, "delete secret hubble-server-certs"),
        ("1.17.0", {}, "the upgrade makes new ones"),
        ("1.18.12", {"hubble": {"tls": {"auto": {"method": "cronJob"}}}}, "hubble-generate-certs"),
        ("1.18.12", {"hubble": {"tls": {"auto": {"method": "certmanager"}}}}, "cert-manager"),
    ],
)
def test_how_to_renew_depends_on_who_makes_them(version: str, values: dict[str, Any], words: str) -> None:
    assert words in judge("CIL-TLS-001", scene(version, values=values, certificates=certificate(-1))).hint


def test_a_certificate_that_cannot_be_read_is_told_of() -> None:
    broken = (Certificate(secret="hubble-server-certs", key="tls.crt", problem="it holds no certificate"),)
    assert judge("CIL-TLS-001", scene(certificates=broken)).outcome == "warning"
    assert judge("CIL-TLS-001", scene()).outcome == "skipped"


def workload(image: str) -> dict[str, Any]:
    return {"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [{"image": image}]}}}}


IMAGE = "quay.io/cilium/cilium:v1.18.12@sha256:abc"


@pytest.mark.parametrize(
    ("held", "published", "outcome"),
    [
        ({"quay.io/cilium/cilium@sha256:abc"}, {}, "passed"),
        ({"quay.io/cilium/cilium:v1.18.12"}, {}, "skipped"),
        (set(), {}, "skipped"),
        (set(), {IMAGE: "there"}, "passed"),
        (set(), {IMAGE: "missing"}, "failed"),
        (set(), {IMAGE: "not known: the registry wants credentials"}, "skipped"),
    ],
)
def test_an_image_is_known_by_nodes_or_registries_or_not_at_all(
    held: set[str], published: dict[str, str], outcome: str
) -> None:
    look_at = scene(nodes=(node(images=frozenset(held)),), manifest=(workload(IMAGE),), published=published)
    assert judge("CIL-IMG-001", look_at).outcome == outcome


def test_pods_that_are_not_managed_are_named() -> None:
    found = judge("CIL-POD-001", scene(pods=Unmanaged(networked=3, unmanaged=1, pods=("web/a",))))
    assert (found.outcome, found.findings[0].object) == ("warning", "Pod/web/a")
    assert judge("CIL-POD-001", scene(pods=Unmanaged(networked=9000, unmanaged=9000))).outcome == "warning"
    assert judge("CIL-POD-001", scene(pods=Unmanaged(networked=3))).outcome == "passed"
