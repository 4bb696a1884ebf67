"""Cilium that something else brought: what looks works as ever, what changes is refused in that tool's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import yaml_files
from ciliumctl.clients.kube import CRDS, DAEMON_SETS, NAMESPACES, Kube, Manifest, Resource, annotations_of, name_of
from tests.integration.conftest import Cluster, chart, eventually
from tests.world import gitops, web
from tests.world.delivery import Delivery, deliver, take_back

CHART = "1.15.6"
RELAY = ("--set", "hubble.relay.enabled=true")
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications")
HELM_CHARTS = Resource("helm.cattle.io", "v1", "helmcharts")

KUBECTL = Delivery(manager="kubectl-client-side-apply", server_side=False)
KUBECTL_ON_THE_SERVER = Delivery(manager="kubectl")
ARGO = Delivery(manager="argocd-controller", tracked="net")
FLUX = Delivery(
    manager="kustomize-controller",
    labels={"kustomize.toolkit.fluxcd.io/name": "infra", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
)

#: The commands that only look, and what they end with while all is well.
LOOKING = (
    ("status", "-o", "json"),
    ("detect", "-o", "json"),
    ("version", "-o", "json"),
    ("hubble", "status", "-o", "json"),
    ("values", "show", "-o", "json", "--chart", "CHART"),
    ("config", "view", "-o", "json"),
    ("connectivity", "list", "-o", "json"),
    ("sysdump", "--dry-run", "-o", "json"),
)
CHANGING = (
    ("install", "--chart", "CHART"),
    ("upgrade", "--chart", "CHART", "--yes"),
    ("rollback", "--yes"),
    ("uninstall", "--yes"),
    ("hubble", "disable"),
)


@pytest.fixture(scope="module")
def kinds(shared_cluster: Cluster) -> Iterator[Kube]:
    """The kinds of the GitOps tools and of k3s, for the tests of this file."""
    kube = shared_cluster.kube
    for crd in gitops.CRDS:
        kube.create(CRDS, crd)
    served = {(crd["spec"]["group"], crd["spec"]["names"]["kind"]) for crd in gitops.CRDS}
    eventually(lambda: served <= {(resource.group, kind) for (_version, kind), resource in kube.kinds().items()})
    for name in ("argocd", "flux-system"):
        kube.create(NAMESPACES, {"metadata": {"name": name}})
    yield kube
    for crd in gitops.CRDS:
        kube.delete(CRDS, name_of(crd))
    for name in ("argocd", "flux-system"):
        kube.delete(NAMESPACES, name)
    eventually(lambda: not any(kube.find(CRDS, name_of(crd)) for crd in gitops.CRDS))


def rendered(lab: Cluster, version: str = CHART) -> str:
    ran = lab.run("install", "--export", "manifests", "--chart", str(chart(version)), *RELAY, KUBECONFIG="/none")
    assert ran.code == 0, ran.err
    return ran.out


@contextmanager
def brought(lab: Cluster, how: Delivery, version: str = CHART) -> Iterator[None]:
    """Cilium, as a tool brings it, while the block runs."""
    kube = lab.kube
    written = deliver(kube, rendered(lab, version), how)
    try:
        eventually(lambda: lab.run("status").code == 0)
        yield
    finally:
        take_back(kube, written)
        eventually(lambda: not in_the_way(kube), 60.0)


def in_the_way(kube: Kube) -> bool:
    """Whether something of Cilium is still there that the next test would trip over."""
    agents = kube.find(DAEMON_SETS, "cilium", "kube-system")
    return agents is not None or kube.find(NAMESPACES, "cilium-secrets") is not None


@contextmanager
def made(kube: Kube, resource: Resource, item: Manifest, namespace: str) -> Iterator[None]:
    kube.create(resource, item, namespace)
    try:
        yield
    finally:
        kube.delete(resource, name_of(item), namespace)


def said(lab: Cluster, command: tuple[str, ...], version: str = CHART) -> Any:
    return lab.run(*(str(chart(version)) if word == "CHART" else word for word in command))


def looks_fine(lab: Cluster) -> None:
    for command in LOOKING:
        ran = said(lab, command)
        assert (ran.code, ran.json["ok"]) == (0, True), (command, ran.err)


def is_refused(lab: Cluster, owner: str, *words: str) -> None:
    """Every command that changes is refused, and its hint has one of the words."""
    before = lab.kube.get(DAEMON_SETS, "cilium", "kube-system")["metadata"]["resourceVersion"]
    for command in CHANGING:
        ran = said(lab, (*command, "-o", "json"))
        assert (ran.code, ran.json["error"]["code"]) == (3, "foreign-owner"), (command, ran.err)
        assert owner in ran.json["error"]["message"]
        assert any(word in ran.json["error"]["hint"] for word in words), ran.json["error"]["hint"]
    assert lab.kube.get(DAEMON_SETS, "cilium", "kube-system")["metadata"]["resourceVersion"] == before
    assert lab.releases() == []


@pytest.mark.parametrize(
    ("how", "owner", "words"),
    [
        (KUBECTL, "`kubectl apply`", ("kubectl apply --server-side", "kubectl delete")),
        (KUBECTL_ON_THE_SERVER, "`kubectl apply`", ("kubectl apply --server-side", "kubectl delete")),
        (
            FLUX,
            "Flux's kustomization `flux-system/infra`",
            ("flux reconcile kustomization infra", "take it out of git"),
        ),
    ],
    ids=["kubectl", "kubectl-server-side", "flux"],
)
def test_without_a_helm_release_looking_works_and_changing_is_refused(
    lab: Cluster, kinds: Kube, how: Delivery, owner: str, words: tuple[str, ...]
) -> None:
    assert kinds.groups()
    with brought(lab, how):
        looks_fine(lab)
        data = lab.run("status", "-o", "json").json["data"]
        assert (data["version"], data["release"], data["revision"]) == (CHART, "", 0)
        assert any(f"Cilium belongs to {owner}" in note for note in data["notes"])
        assert lab.run("version", "-o", "json").json["data"]["agents"] == CHART
        is_refused(lab, owner, *words)


def test_argo_cds_application_is_read_for_where_to_change_it(lab: Cluster, kinds: Kube) -> None:
    source = {"repoURL": "https://git.example/net.git", "path": "cilium", "targetRevision": "main"}
    app = {
        "apiVersion": APPLICATIONS.api_version,
        "kind": "Application",
        "metadata": {"name": "net"},
        "spec": {"project": "infra", "source": source, "destination": {"namespace": "kube-system"}},
    }
    with made(kinds, APPLICATIONS, app, "argocd"), brought(lab, ARGO):
        assert lab.run("status").code == 0
        words = ("argocd app sync net", "argocd app rollback net ID", "argocd app delete net")
        is_refused(lab, "Argo CD's application `net`", *words)
        hint = lab.run("hubble", "enable", "-o", "json").json["error"]["hint"]
        assert "`https://git.example/net.git` path `cilium` at `main`" in hint
        # However it is asked for: what Argo CD would put back is not taken over.
        ran = lab.run("install", "--chart", str(chart(CHART)), "--take-ownership", "--yes")
        assert ran.code == 3
        assert "only for what `kubectl apply` made" in ran.err


def test_a_release_that_k3s_made_from_a_helmchart_is_the_helmcharts(lab: Cluster, kinds: Kube) -> None:
    assert lab.run("install", "--chart", str(chart(CHART)), "--wait").code == 0
    item = {
        "apiVersion": HELM_CHARTS.api_version,
        "kind": "HelmChart",
        "metadata": {"name": "cilium"},
        "spec": {"chart": "cilium"},
    }
    with made(kinds, HELM_CHARTS, item, "kube-system"):
        assert lab.run("status", "-o", "json").json["data"]["revision"] == 1
        for command in (*CHANGING, ("install", "--chart", "CHART", "--set", "debug.enabled=true")):
            ran = said(lab, (*command, "-o", "json"))
            assert (ran.code, ran.json["error"]["code"]) == (3, "foreign-owner"), (command, ran.err)
            assert "helmchart cilium -n kube-system" in ran.json["error"]["hint"]
    assert [found["revision"] for found in lab.releases()] == ["1"]


def test_a_forward_to_the_relay_needs_no_helm_release(lab: Cluster) -> None:
    with brought(lab, KUBECTL):
        running = lab.start("hubble", "port-forward", ":0")
        assert running.stdout is not None
        assert running.stdout.readline().startswith("127.0.0.1:")


# Taking over


@pytest.mark.parametrize(
    ("helm", "how"),
    # Each Helm with the other's way to apply: where Helm 4 meets kubectl's fields, it must be told to take them.
    [("helm", KUBECTL_ON_THE_SERVER), ("helm4", KUBECTL)],
    ids=["server-side-then-helm-3", "client-side-then-helm-4"],
)
def test_what_kubectl_applied_becomes_a_release_without_a_restart(
    lab: Cluster, programs: dict[str, Path], helm: str, how: Delivery
) -> None:
    lab.helm = programs[helm]
    version = "1.19.6"
    with brought(lab, how, version):
        before = lab.kube.get(DAEMON_SETS, "cilium", "kube-system")
        command = ("install", "--chart", str(chart(version)), *RELAY, "--take-ownership")
        ran = lab.run(*command)
        assert ran.code == 3
        assert "its settings are what these values make" in ran.err
        assert lab.releases() == []
        ran = lab.run(*command, "--yes", "--wait", "-o", "json")
        assert ran.code == 0, ran.err
        assert (ran.json["data"]["outcome"], ran.json["data"]["revision"]) == ("installed", 1)
        after = lab.kube.get(DAEMON_SETS, "cilium", "kube-system")
        assert after["spec"]["template"] == before["spec"]["template"]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert annotations_of(after)["meta.helm.sh/release-name"] == "cilium"
        ran = lab.run("install", "--chart", str(chart(version)), *RELAY, "-o", "json")
        assert (ran.code, ran.json["data"]["outcome"]) == (0, "unchanged")
        ran = lab.run("uninstall", "--yes")
        assert ran.code == 0, ran.err


def test_what_would_change_and_what_would_be_left_is_said_before_it_is_taken_over(lab: Cluster) -> None:
    with brought(lab, KUBECTL):
        ran = lab.run("install", "--chart", str(chart(CHART)), "--set", "debug.enabled=true", "--take-ownership")
        assert ran.code == 3
        assert "`debug`" in ran.err
        assert "these values make no `hubble-relay`" in ran.err
        assert lab.releases() == []


# What is exported


@pytest.fixture
def repository() -> Iterator[str]:
    """A repository with Cilium's own charts."""
    with web.site() as site:
        entries = []
        for version in (CHART, "1.20.0"):
            digest = site.put(f"/cilium-{version}.tgz", chart(version).read_bytes())
            entries.append({"version": version, "urls": [f"cilium-{version}.tgz"], "digest": digest})
        site.put("/index.yaml", yaml_files.dump({"entries": {"cilium": entries}}))
        yield site.url


def exported(lab: Cluster, form: str, *more: str) -> list[Any]:
    ran = lab.run("install", "--export", form, *RELAY, *more, KUBECONFIG="/none")
    assert ran.code == 0, ran.err
    return yaml_files.parse_all(ran.out)


@pytest.mark.parametrize(("version", "namespace"), [(CHART, "cilium"), ("1.20.0", "kube-system")])
def test_what_argo_cd_and_flux_are_given_is_what_their_kinds_take(
    lab: Cluster, kinds: Kube, repository: str, version: str, namespace: str
) -> None:
    places = {"Application": "argocd", "HelmRelease": "flux-system", "HelmRepository": "flux-system"}
    found = kinds.kinds()
    for form in ("argocd", "flux"):
        for item in exported(lab, form, "--version", version, "--repository", repository, "-n", namespace):
            resource = found[(item["apiVersion"], item["kind"])]
            kept = kinds.create(resource, item, places.get(item["kind"], ""), dry_run=True)
            # The server drops fields that the kind does not have, and refuses values that it does not allow.
            assert kept.get("spec", {}) == item.get("spec", kept.get("spec", {})), item["kind"]


def test_a_field_that_a_kind_does_not_have_would_be_seen(lab: Cluster, kinds: Kube, repository: str) -> None:
    (app,) = exported(lab, "argocd", "--version", CHART, "--repository", repository)
    app["spec"]["source"]["helm"]["valueObject"] = {}
    assert kinds.create(APPLICATIONS, app, "argocd", dry_run=True)["spec"] != app["spec"]


def test_the_secrets_that_each_rendering_makes_anew_are_ignored_and_no_others(lab: Cluster, repository: str) -> None:
    source = ("--version", "1.20.0", "--repository", repository)
    (app,) = exported(lab, "argocd", *source)
    names = [entry["name"] for entry in app["spec"]["ignoreDifferences"]]
    assert names == ["cilium-ca", "hubble-relay-client-certs", "hubble-server-certs"]
    (app,) = exported(lab, "argocd", *source, "--set", "hubble.tls.auto.method=cronJob")
    assert "ignoreDifferences" not in app["spec"]


def test_a_local_copy_of_a_released_chart_is_named_by_its_repository(lab: Cluster, repository: str) -> None:
    (app,) = exported(lab, "argocd", "--chart", str(chart("1.20.0")), "--repository", repository)
    assert app["spec"]["source"]["repoURL"] == repository
    ran = lab.run("install", "--export", "argocd", "--chart", str(chart("1.19.6")), "--repository", repository)
    assert ran.code == 2
    assert "--export manifests" in ran.err


def test_a_kustomization_is_one_file_or_a_folder(lab: Cluster, repository: str, tmp_path: Path) -> None:
    source = ("--version", "1.20.0", "--repository", repository)
    (made_,) = exported(lab, "kustomize", *source)
    assert made_["helmCharts"][0]["valuesInline"] == {"hubble": {"relay": {"enabled": True}}}
    ran = lab.run("install", "--export", "kustomize", "-n", "cilium", *source)
    assert (ran.code, ran.out) == (2, "")
    command = ("install", "--export", "kustomize", "-n", "cilium", *source, "--output-dir", str(tmp_path / "cilium"))
    for _time in range(2):
        ran = lab.run(*command)
        assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].endswith("kustomization.yaml")
    assert sorted(path.name for path in (tmp_path / "cilium").iterdir()) == [
        "kustomization.yaml",
        "namespace.yaml",
        "values.yaml",
    ]
    ran = lab.run(*command, "--set", "debug.enabled=true", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "needs-confirmation")


def test_manifests_have_their_namespace_first_and_warn_of_private_keys(lab: Cluster) -> None:
    archive = str(chart("1.20.0"))
    ran = lab.run("install", "--export", "manifests", "-n", "cilium", "--chart", archive, KUBECONFIG="/none")
    first, *others = yaml_files.parse_all(ran.out)
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", "cilium")
    assert any(item["kind"] == "DaemonSet" for item in others)
    assert "the manifest holds private keys" in ran.err


def test_as_json_an_export_is_an_envelope_with_each_file(lab: Cluster) -> None:
    ran = lab.run("install", "--export", "manifests", "--chart", str(chart(CHART)), "-o", "json", KUBECONFIG="/none")
    assert (ran.code, ran.json["kind"], ran.json["data"]["version"]) == (0, "Export", CHART)
    (file,) = ran.json["data"]["files"]
    assert file["name"] == "cilium.yaml"
    assert "kind: DaemonSet" in file["content"]
