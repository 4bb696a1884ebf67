from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts
from ciliumctl.checks._scene import Target
from ciliumctl.clients.kube import SECRETS, ConnectOptions, Kube, connect
from ciliumctl.flavour import Facts
from ciliumctl.preflight import parts, sending
from tests.world import objects
from tests.world.cluster import CILIUM_ENDPOINTS, POLICIES, FakeCluster, Fault
from tests.world.web import authority

FACTS = Facts(host="https://192.0.2.10:6443", kubernetes="1.30.0")
SERVICE_CIDRS = ("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", False)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def crd(name: str, *, labels: dict[str, str] | None = None, stored: tuple[str, ...] = ("v2",)) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": labels or {}},
        "status": {"storedVersions": list(stored)},
    }


def test_a_node_is_read_with_all_that_the_checks_judge(cluster: FakeCluster, kube: Kube) -> None:
    item = objects.node("one", address="10.0.0.1", pod_range="10.1.0.0/24", annotations={"a": "b"}, ready=False)
    item["spec"]["taints"] = [{"key": "k", "value": "v", "effect": "NoSchedule"}]
    item["status"]["nodeInfo"] |= {"architecture": "arm64", "operatingSystem": "linux"}
    item["status"]["images"] = [{"names": ["quay.io/cilium/cilium:v1", "quay.io/cilium/cilium@sha256:ab"]}, {}]
    cluster.add(item)
    (found,) = parts.nodes(kube)
    assert (found.kernel, found.architecture, found.ready) == ("6.1.0", "arm64", False)
    assert (found.addresses, found.pod_ranges) == (("10.0.0.1",), ("10.1.0.0/24",))
    assert [str(taint) for taint in found.taints] == ["k=v:NoSchedule"]
    assert found.images == {"quay.io/cilium/cilium:v1", "quay.io/cilium/cilium@sha256:ab"}


def test_a_thousand_nodes_are_two_requests(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(*(objects.node(f"n{number}") for number in range(1000)))
    assert len(parts.nodes(kube)) == 1000
    assert kube.requests == 2


def test_the_range_of_services_is_read_from_servicecidrs(cluster: FakeCluster, kube: Kube) -> None:
    cluster.kinds.append(SERVICE_CIDRS)
    cluster.add(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": ["10.96.0.0/12", "fd00:96::/112"]},
        }
    )
    found = parts.service_ranges(kube, FACTS)
    assert (found.ranges, found.source) == (("10.96.0.0/12", "fd00:96::/112"), "ServiceCIDR objects")


def test_without_servicecidrs_kubeadms_settings_tell_it(kube: Kube) -> None:
    facts = Facts(host="", kubeadm={"networking": {"serviceSubnet": "10.96.0.0/16, fd00::/112"}})
    assert parts.service_ranges(kube, facts).ranges == ("10.96.0.0/16", "fd00::/112")


def test_else_the_servers_refusal_names_it_and_nothing_is_made(cluster: FakeCluster, kube: Kube) -> None:
    text = "failed to allocate IP 192.0.2.77: the provided IP is not in the valid range. The range of valid IPs is 10.43.0.0/16"
    cluster.faults.append(Fault(pattern="POST .*/services$", status=422, message=text))
    assert parts.service_ranges(kube, FACTS).ranges == ("10.43.0.0/16",)
    assert cluster.seen[-1].query["dryRun"] == "All"


def test_and_at_last_only_the_one_address_is_known(cluster: FakeCluster, kube: Kube) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"clusterIPs": ["10.43.0.1"]},
    }
    cluster.add(service)
    assert parts.service_ranges(kube, FACTS).ranges == ("10.43.0.1",)


def test_only_ciliums_own_crds_count_and_their_mark_is_read(cluster: FakeCluster, kube: Kube) -> None:
    mark = {"io.cilium.k8s.crd.schema.version": "1.31.2"}
    cluster.add(crd("ciliumnodes.cilium.io", labels=mark), crd("tracingpolicies.cilium.io"), crd("ciliumx.example.com"))
    assert [(one.name, one.schema) for one in parts.crds(kube)] == [("ciliumnodes.cilium.io", "1.31.2")]


def test_objects_of_a_kind_that_the_target_lacks_are_found(cluster: FakeCluster, kube: Kube) -> None:
    cluster.kinds.append(("cilium.io", "v2alpha1", "ciliumbgppeeringpolicies", "CiliumBGPPeeringPolicy", False))
    cluster.add(
        crd("ciliumbgppeeringpolicies.cilium.io"),
        crd("ciliumnodes.cilium.io"),
        {"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumBGPPeeringPolicy", "metadata": {"name": "rack-1"}},
    )
    target = Target(namespace="kube-system", release="cilium", version="1.19.6", crds={"ciliumnodes.cilium.io": "v2"})
    found = {"crds": parts.crds(kube), "kinds": kube.kinds()}
    assert parts.orphans(kube, found, target) == {"ciliumbgppeeringpolicies.cilium.io": ("/rack-1",)}


def test_stored_versions_are_only_asked_for_where_the_target_takes_one_away(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(crd("ciliumnodeconfigs.cilium.io", stored=("v2alpha1", "v2")))
    found = {"crds": parts.crds(kube)}
    before = kube.requests
    target = Target(namespace="", release="", version="1.19.6")
    assert parts.stored_versions(kube, found, target) == {}
    assert kube.requests == before
    target = Target(namespace="", release="", version="1.20.0")
    assert parts.stored_versions(kube, found, target) == {"ciliumnodeconfigs.cilium.io": ("v2alpha1", "v2")}


def test_the_newest_revision_of_each_release_of_cilium_is_read(cluster: FakeCluster, kube: Kube) -> None:
    cluster.add(
        objects.release(revision=1, status="superseded"),
        objects.release(revision=2, status="pending-upgrade"),
        objects.release(name="cilium-preflight", place="net"),
        objects.release(name="other"),
    )
    found = parts.releases(kube, "cilium", SECRETS)
    assert [(one.name, one.revision, one.status) for one in found] == [
        ("cilium", 2, "pending-upgrade"),
        ("cilium-preflight", 1, "deployed"),
    ]


def test_a_lock_and_namespaces_of_tests_are_found(cluster: FakeCluster, kube: Kube) -> None:
    test = objects.namespace("ciliumctl-test-1")
    test["metadata"]["labels"] = {"ciliumctl.io/connectivity": "x"}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ciliumctl", "namespace": "kube-system"},
        "spec": {"holderIdentity": "jo@laptop", "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    cluster.add(test, lease)
    found = parts.leftovers(kube)
    assert found.namespaces == ("ciliumctl-test-1",)
    assert found.lock == "jo@laptop left the lock behind; the next change takes it over"


def pods(cluster: FakeCluster) -> None:
    cluster.add(
        objects.pod("host", place="kube-system"),
        objects.pod("a", place="web", host_network=False, address="10.0.0.5"),
        objects.pod("b", place="web", host_network=False, address="10.0.0.6"),
    )


def test_before_cilium_every_pod_of_the_pod_network_is_unmanaged(cluster: FakeCluster, kube: Kube) -> None:
    pods(cluster)
    found = parts.pods(kube, present=False)
    assert (found.networked, found.unmanaged, found.pods) == (2, 2, ("web/a", "web/b"))


def test_with_cilium_those_without_an_endpoint_are(cluster: FakeCluster, kube: Kube) -> None:
    cluster.kinds.append(CILIUM_ENDPOINTS)
    pods(cluster)
    endpoint = {"apiVersion": "cilium.io/v2", "kind": "CiliumEndpoint", "metadata": {"name": "a", "namespace": "web"}}
    cluster.add({**endpoint, "x-ipv4": "10.0.0.5"})
    assert parts.pods(kube, present=True).pods == ("web/b",)


def test_certificates_are_read_without_their_keys(cluster: FakeCluster, kube: Kube, tmp_path: Path) -> None:
    ca, cert, _key = authority(tmp_path)

    def secret(name: str, kind: str, **data: bytes) -> dict[str, Any]:
        encoded = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": "kube-system"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}

    cluster.add(
        secret("hubble-server-certs", "kubernetes.io/tls", tls_crt=cert.read_bytes(), tls_key=b"secret"),
        secret("hubble-broken", "kubernetes.io/tls", tls_crt=b"?"),
        secret("website", "kubernetes.io/tls", tls_crt=cert.read_bytes()),
        secret("cilium-ca", "Opaque", ca_crt=ca.read_bytes(), ca_key=b"secret"),
    )
    found = {one.secret: one for one in parts.certificates(kube, "kube-system", present=True)}
    assert set(found) == {"hubble-server-certs", "hubble-broken", "cilium-ca"}
    assert found["hubble-server-certs"].until is not None
    assert found["hubble-broken"].problem == "it holds no certificate"
    before = kube.requests
    assert parts.certificates(kube, "kube-system", present=False) == ()
    assert kube.requests == before


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"spec": {"egress": [{"toFQDNs": [{"matchName": "example.com"}]}]}}, True),
        ({"specs": [{}, {"egress": [{"toFQDNs": [{"matchPattern": "*"}]}]}]}, True),
        ({"spec": {"egress": [{"toPorts": []}]}}, False),
        ({}, False),
    ],
)
def test_a_policy_with_names_is_known(policy: dict[str, Any], *, found: bool) -> None:
    assert parts.has_fqdns(policy) is found


def test_policies_are_only_read_for_the_step_that_they_matter_for(cluster: FakeCluster, kube: Kube) -> None:
    cluster.kinds += POLICIES
    policy = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy"}
    metadata = {"name": "out", "namespace": "web"}
    cluster.add({**policy, "metadata": metadata, "spec": {"egress": [{"toFQDNs": [{"matchName": "a.b"}]}]}})
    assert parts.fqdn_policies(kube, "1.15.6", "1.16.19") == ()
    assert kube.requests == 0
    assert parts.fqdn_policies(kube, "1.15.5", "1.16.19") == ("CiliumNetworkPolicy/web/out",)


def test_a_chart_tells_its_crds() -> None:
    listed = "artifacthub.io/crds: |\n    - {kind: X, version: v2, name: ciliumxs.cilium.io}\n"
    text = f"name: cilium\nversion: 1.0.0\nannotations:\n  {listed}".encode()
    chart = charts.Chart(path=Path("/none"), source="", files={"Chart.yaml": text})
    assert parts.crds_of(chart) == {"ciliumxs.cilium.io": "v2"}
    bare = charts.Chart(path=Path("/none"), source="", files={"Chart.yaml": b"name: cilium\n"})
    assert parts.crds_of(bare) == {}


# Sending


def config(name: str, place: str = "kube-system") -> dict[str, Any]:
    return objects.config_map(name, {}, place)


def sent(kube: Kube, *manifest: dict[str, Any], namespaces: tuple[str, ...] = ("kube-system",)) -> dict[str, Any]:
    found = sending.send(kube, manifest, kube.kinds(), "kube-system", namespaces)
    return {one.object: one for one in found}


def test_an_object_that_is_there_is_told_with_its_owner(cluster: FakeCluster, kube: Kube) -> None:
    mine, loose = config("mine"), config("loose")
    mine["metadata"]["annotations"] = dict(objects.HELM_MARKS)
    cluster.add(mine, loose)
    found = sent(kube, config("mine"), config("loose"), config("new"))
    assert (found["ConfigMap/kube-system/mine"].there, found["ConfigMap/kube-system/mine"].owner) == (
        True,
        "kube-system/cilium",
    )
    assert (found["ConfigMap/kube-system/loose"].there, found["ConfigMap/kube-system/loose"].owner) == (True, "")
    assert not found["ConfigMap/kube-system/new"].there
    assert cluster.get("configmaps", "new", "kube-system") is None


def test_a_refusal_is_told_in_the_servers_words(cluster: FakeCluster, kube: Kube) -> None:
    cluster.faults.append(Fault(pattern="PATCH .*/configmaps/bad$", status=422, message="admission webhook says no"))
    found = sent(kube, config("bad"), config("good"))
    assert "admission webhook says no" in found["ConfigMap/kube-system/bad"].refusal
    assert found["ConfigMap/kube-system/good"].refusal == ""


def test_a_kind_that_the_server_lacks_is_a_refusal(kube: Kube) -> None:
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "x"}}
    found = sent(kube, monitor)
    assert (
        found["ServiceMonitor/kube-system/x"].refusal
        == "the server knows no ServiceMonitor of monitoring.coreos.com/v1"
    )


def test_what_is_in_a_namespace_that_is_not_there_yet_is_not_asked(cluster: FakeCluster, kube: Kube) -> None:
    found = sent(kube, objects.namespace("cilium-secrets"), config("a", "cilium-secrets"), config("b", "nowhere"))
    assert "comes with the manifest itself" in found["ConfigMap/cilium-secrets/a"].unchecked
    assert "does not exist yet" in found["ConfigMap/nowhere/b"].unchecked
    assert not [seen for seen in cluster.seen if "/configmaps" in seen.path]


def test_a_hook_of_an_earlier_run_does_not_stand_in_the_way(cluster: FakeCluster, kube: Kube) -> None:
    hook = config("job")
    hook["metadata"]["annotations"] = {"helm.sh/hook": "post-install"}
    cluster.add(hook)
    assert not sent(kube, hook)["ConfigMap/kube-system/job"].there
    assert cluster.seen[-1].path.endswith("/configmaps/job-check")


def test_the_pods_of_a_workload_are_asked_about_too(cluster: FakeCluster, kube: Kube) -> None:
    message = 'pods "x" is forbidden: violates PodSecurity "baseline:latest"'
    cluster.faults.append(Fault(pattern="POST .*/pods$", status=403, message=message))
    item = objects.daemon_set()
    item["spec"]["template"]["spec"]["serviceAccountName"] = "cilium"
    del item["status"]
    answers = sending.send(kube, [item], kube.kinds(), "kube-system", ["kube-system"])
    (refused,) = [one for one in answers if one.refusal]
    assert refused.object == "DaemonSet/kube-system/cilium"
    assert "violates PodSecurity" in refused.refusal
    body = next(seen.body for seen in cluster.seen if seen.path.endswith("/pods"))
    assert "serviceAccountName" not in body["spec"]
