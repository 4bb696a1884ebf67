"""What people name, and the pods that it stands for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import naming
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import NotFound, UsageError
from ciliumctl.naming import Named
from tests.world import objects
from tests.world.cluster import FakeCluster


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


@pytest.mark.parametrize(
    ("text", "kind", "plural", "namespace", "name"),
    [
        ("pod/web", "pod", "pods", "here", "web"),
        ("PODS/shop/web", "pod", "pods", "shop", "web"),
        ("deploy/web", "workload", "deployments", "here", "web"),
        ("sts/shop/db", "workload", "statefulsets", "shop", "db"),
        ("job/load", "workload", "jobs", "here", "load"),
        ("svc/web", "service", "services", "here", "web"),
        ("no/one", "node", "nodes", "", "one"),
    ],
)
def test_a_kind_and_a_name_are_read_as_kubectl_reads_them(
    text: str, kind: str, plural: str, namespace: str, name: str
) -> None:
    named = naming.read(text, "here")
    assert named is not None
    assert (named.kind, named.resource.plural, named.namespace, named.name) == (kind, plural, namespace, name)


@pytest.mark.parametrize("text", ["", "web", "pod", "pod/", "pod//web", "pod/a/b/c", "10.0.0.0/8", "box/a"])
def test_any_other_text_names_nothing(text: str) -> None:
    assert naming.read(text, "here") is None


@given(st.text(max_size=20))
def test_whatever_is_read_is_read_again_the_same(text: str) -> None:
    with suppress(UsageError):
        named = naming.read(text, "here")
        assert named is None or naming.read(str(named), "elsewhere") == named


def test_a_node_has_no_namespace() -> None:
    with pytest.raises(UsageError, match="a node has no namespace"):
        naming.read("node/shop/one", "here")


def test_every_kind_of_expression_is_asked_for_as_the_api_takes_it() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    workload = {"spec": {"selector": {"matchLabels": {"app": "web"}, "matchExpressions": expressions}}}
    assert naming.selector(workload) == "app=web,a in (1,2),b notin (3),c,!d"


def test_of_several_pods_a_ready_one_comes_first_then_one_that_runs(kube: Kube, cluster: FakeCluster) -> None:
    going = objects.pod("a-going", place="shop", labels={"app": "web"})
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    running, ready = (objects.pod(name, place="shop", labels={"app": "web"}) for name in ("b-running", "c-ready"))
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    deployment = objects.deployment("web", place="shop")
    deployment["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    cluster.add(going, running, deployment)
    web = Named(word="deploy", name="web", namespace="shop")
    assert naming.one_pod(kube, web)["metadata"]["name"] == "b-running"
    cluster.add(ready)
    assert naming.one_pod(kube, web)["metadata"]["name"] == "c-ready"


def test_a_service_without_a_selector_and_a_workload_without_pods_are_told(kube: Kube, cluster: FakeCluster) -> None:
    bare = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop"}, "spec": {}}
    deployment = objects.deployment("idle", place="shop")
    deployment["spec"]["selector"] = {"matchLabels": {"app": "idle"}}
    cluster.add(bare, deployment)
    with pytest.raises(UsageError, match="`svc/shop/db` selects no pods"):
        naming.one_pod(kube, Named(word="svc", name="db", namespace="shop"))
    with pytest.raises(NotFound, match="`deploy/shop/idle` has no pod in namespace `shop`"):
        naming.one_pod(kube, Named(word="deploy", name="idle", namespace="shop"))
    with pytest.raises(NotFound, match="there is no deployment `gone` in namespace `shop`"):
        naming.one_pod(kube, Named(word="deploy", name="gone", namespace="shop"))
