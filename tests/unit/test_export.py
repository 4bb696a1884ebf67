from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts, yaml_files
from ciliumctl.cli.sinks import choose
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs
from ciliumctl.clients.web import Web
from ciliumctl.defaults import REPOSITORY
from ciliumctl.errors import Missing, NeedsConfirmation, UsageError
from ciliumctl.export import Exported, File, Subject, argocd, flux, kustomize, place, secrets
from ciliumctl.export.model import namespace_of
from ciliumctl.export.rendering import Rendered, warn_of_large
from ciliumctl.export.source import Source, published
from ciliumctl.installation import Means
from ciliumctl.report import Reporter, Warned
from tests.world.web import Site

SOURCE = Source(repository=REPOSITORY, name="cilium")
PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
JOB = "templates/hubble/tls-cronjob/job.yaml"
CA = {"kind": "Secret", "metadata": {"name": "cilium-ca", "namespace": "kube-system"}, "data": {"ca.key": "x"}}
HOOK = {
    "kind": "Job",
    "metadata": {"name": "hubble-generate-certs", "annotations": {"helm.sh/hook": "post-install,post-upgrade"}},
}


def subject(
    config: Mapping[str, Any] | None = None,
    *,
    namespace: str = "kube-system",
    request: charts.Request | None = None,
    path: Path = Path("/charts/cilium.tgz"),
    values: str = "",
    job: str = "",
) -> Subject:
    files = {"Chart.yaml": b"name: cilium\nversion: 1.20.0\n", "values.yaml": values.encode(), JOB: job.encode()}
    return Subject(
        chart=charts.Chart(path=path, source=str(path), files=files),
        request=request or charts.Request(),
        inputs=Inputs(),
        config=config or {},
        namespace=namespace,
        release="cilium",
        kube_version="v1.34.0",
    )


def rendered(*objects: Mapping[str, Any], changing: tuple[dict[str, Any], ...] = ()) -> Rendered:
    return Rendered(text="", objects=tuple(dict(item) for item in objects), changing=changing)


def documents(files: tuple[File, ...]) -> list[Any]:
    return [document for file in files for document in yaml_files.parse_all(file.content)]


def quiet() -> Reporter:
    return Reporter(lambda _event: None)


def warned() -> tuple[Reporter, list[Warned]]:
    said: list[Warned] = []

    def keep(event: object) -> None:
        if isinstance(event, Warned):
            said.append(event)

    return Reporter(keep), said


# Where the chart is


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Means]:
    helm = Helm(HelmOptions(executable="/none"))
    with contextlib.closing(Web(environ={})) as web:
        yield Means(helm=helm, web=web, cache=tmp_path / "cache", report=quiet())


@pytest.mark.parametrize(
    ("request_", "repository", "name"),
    [
        (charts.Request(), REPOSITORY, "cilium"),
        (charts.Request(repository="https://mirror.example/charts"), "https://mirror.example/charts", "cilium"),
        (charts.Request(repository="oci://mirror.example/charts/cilium"), "oci://mirror.example/charts", "cilium"),
        (charts.Request(chart="oci://mirror.example/a/b/net"), "oci://mirror.example/a/b", "net"),
        (charts.Request(chart="oci://mirror.example/a/net", repository="oci://x/y"), "oci://mirror.example/a", "net"),
    ],
)
def test_a_published_chart_is_named_where_it_is(
    means: Means, request_: charts.Request, repository: str, name: str
) -> None:
    found = published(subject(request=request_), means)
    assert (found.repository, found.name) == (repository, name)


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("chart", [True, False])
@pytest.mark.parametrize("same", [True, False])
def test_a_folder_of_this_machine_is_no_place_for_another_tool(
    tmp_path: Path, site: Site, means: Means, *, same: bool, chart: bool, scheme: str
) -> None:
    archive = tmp_path / "cilium-1.20.0.tgz"
    archive.write_bytes(b"the chart")
    digest = site.put("/cilium-1.20.0.tgz", b"the chart" if same else b"another one")
    entry = {"version": "1.20.0", "urls": ["cilium-1.20.0.tgz"], "digest": digest}
    site.put("/index.yaml", yaml_files.dump({"entries": {"cilium": [entry]}}))
    request = charts.Request(chart=str(archive) if chart else "", repository=f"{scheme}{tmp_path}")
    what = subject(request=request, path=archive)
    if same:
        assert published(what, means, site.url).repository == site.url
        return
    with pytest.raises(UsageError, match="another tool cannot fetch the chart"):
        published(what, means, site.url)


@pytest.mark.parametrize("same", [True, False])
def test_a_local_archive_counts_when_the_repository_has_the_very_same(
    tmp_path: Path, site: Site, means: Means, *, same: bool
) -> None:
    archive = tmp_path / "cilium.tgz"
    archive.write_bytes(b"the chart")
    digest = site.put("/cilium-1.20.0.tgz", b"the chart" if same else b"another one")
    entry = {"version": "1.20.0", "urls": ["cilium-1.20.0.tgz"], "digest": digest}
    site.put("/index.yaml", yaml_files.dump({"entries": {"cilium": [entry]}}))
    what = subject(request=charts.Request(chart=str(archive), repository=site.url), path=archive)
    if same:
        assert published(what, means).repository == site.url
        return
    with pytest.raises(UsageError, match=r"has no Cilium 1.20.0 that is the same") as refused:
        published(what, means)
    assert "--export manifests" in refused.value.hint


def test_a_chart_folder_is_no_ones_to_fetch(tmp_path: Path, means: Means) -> None:
    with pytest.raises(UsageError, match="another tool cannot fetch the chart"):
        published(subject(request=charts.Request(chart=str(tmp_path)), path=tmp_path), means)


def test_a_repository_that_does_not_answer_makes_no_chart_a_released_one(
    tmp_path: Path, site: Site, means: Means
) -> None:
    archive = tmp_path / "cilium.tgz"
    archive.write_bytes(b"the chart")
    request = charts.Request(chart=str(archive), repository=f"{site.url}/nothing")
    with pytest.raises(UsageError, match="another tool cannot fetch"):
        published(subject(request=request, path=archive), means)


# Argo CD


def test_an_application_has_chart_values_and_place() -> None:
    (app,) = documents(argocd.files(subject({"debug": {"enabled": True}}), SOURCE, rendered(), quiet()))
    assert app["spec"]["source"] == {
        "repoURL": REPOSITORY,
        "chart": "cilium",
        "targetRevision": "1.20.0",
        "helm": {"releaseName": "cilium", "valuesObject": {"debug": {"enabled": True}}},
    }
    assert app["spec"]["destination"]["namespace"] == "kube-system"
    assert app["spec"]["syncPolicy"] == {"syncOptions": ["ServerSideApply=true", "RespectIgnoreDifferences=true"]}
    assert "ignoreDifferences" not in app["spec"]


def test_certificates_that_each_rendering_makes_are_ignored_by_argo_cd() -> None:
    (app,) = documents(argocd.files(subject(), SOURCE, rendered(changing=(CA,)), quiet()))
    assert app["spec"]["ignoreDifferences"] == [
        {"kind": "Secret", "name": "cilium-ca", "namespace": "kube-system", "jsonPointers": ["/data"]}
    ]


def test_argo_cd_makes_the_namespace_open_for_privileged_pods() -> None:
    (app,) = documents(argocd.files(subject(namespace="cilium"), SOURCE, rendered(), quiet()))
    policy = app["spec"]["syncPolicy"]
    assert "CreateNamespace=true" in policy["syncOptions"]
    assert policy["managedNamespaceMetadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}


def test_argo_cd_gets_a_registry_without_the_scheme() -> None:
    source = Source(repository="oci://mirror.example/charts", name="cilium")
    (app,) = documents(argocd.files(subject(), source, rendered(), quiet()))
    assert app["spec"]["source"]["repoURL"] == "mirror.example/charts"


def test_a_hook_that_argo_cd_runs_too_late_is_warned_of() -> None:
    report, said = warned()
    argocd.files(subject(), SOURCE, rendered(HOOK), report)
    (warning,) = said
    assert "Job `hubble-generate-certs` only after everything else is healthy" in warning.text


# Flux


def test_a_helmrelease_keeps_its_release_where_helm_looks_for_it() -> None:
    repository, release = documents(flux.files(subject({"a": 1}), SOURCE, rendered(changing=(CA,))))
    assert repository["spec"] == {"interval": "12h", "url": REPOSITORY}
    spec = release["spec"]
    assert (spec["releaseName"], spec["targetNamespace"], spec["storageNamespace"]) == ("cilium", *["kube-system"] * 2)
    assert spec["chart"]["spec"]["sourceRef"] == {"kind": "HelmRepository", "name": repository["metadata"]["name"]}
    assert spec["upgrade"]["remediation"] == {"retries": 0, "remediateLastFailure": True, "strategy": "rollback"}
    assert spec["driftDetection"]["ignore"][0]["target"]["name"] == "cilium-ca"
    assert spec["values"] == {"a": 1}


def test_flux_gets_the_namespace_first_and_a_registry_as_one() -> None:
    source = Source(repository="oci://mirror.example/charts", name="cilium")
    namespace, repository, _release = documents(flux.files(subject(namespace="cilium"), source, rendered()))
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "cilium")
    assert repository["spec"] == {"type": "oci", "interval": "12h", "url": "oci://mirror.example/charts"}


def test_flux_does_not_wait_for_what_a_later_hook_makes() -> None:
    *_others, release = documents(flux.files(subject(), SOURCE, rendered(HOOK)))
    assert release["spec"]["install"]["disableWait"] is True
    assert release["spec"]["upgrade"]["disableWait"] is True


# Kustomize


def test_a_kustomization_for_one_stream_has_the_values_in_it() -> None:
    (made,) = documents(kustomize.files(subject({"a": 1}), SOURCE, folder=False))
    (chart,) = made["helmCharts"]
    assert (chart["valuesInline"], chart["kubeVersion"], chart["version"]) == ({"a": 1}, "1.34.0", "1.20.0")


def test_a_kustomization_in_a_folder_has_its_values_and_its_namespace_beside_it() -> None:
    files = kustomize.files(subject({"a": 1}, namespace="cilium"), SOURCE, folder=True)
    made, values, namespace = documents(files)
    assert [file.name for file in files] == ["kustomization.yaml", "values.yaml", "namespace.yaml"]
    assert made["resources"] == ["namespace.yaml"]
    assert made["helmCharts"][0]["valuesFile"] == "values.yaml"
    assert (values, namespace["kind"]) == ({"a": 1}, "Namespace")


def test_a_kustomization_of_two_files_is_no_stream() -> None:
    with pytest.raises(UsageError, match="more than one file") as refused:
        kustomize.files(subject(namespace="cilium"), SOURCE, folder=False)
    assert "--output-dir" in refused.value.hint


# Secrets


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"tls": {"ca": {"key": "x"}}}, "tls.ca.key"),
        ({"azure": {"clientSecret": "x"}}, "azure.clientSecret"),
        ({"etcd": {"password": "x"}}, "etcd.password"),
        ({"clustermesh": {"config": {"clusters": [{"tls": {"key": "x"}}]}}}, "clustermesh.config.clusters[0].tls.key"),
        ({"extra": {"pem": PEM}}, "extra.pem"),
        ({"extra": {"pem": base64.b64encode(PEM.encode()).decode()}}, "extra.pem"),
    ],
)
def test_what_looks_like_a_secret_is_named_and_never_shown(values: dict[str, Any], key: str) -> None:
    (warning,) = secrets.found_in(subject(values), "argocd")
    assert f"`{key}` looks like a secret" in warning.message
    assert PEM not in warning.message + warning.hint
    assert warning.hint


@pytest.mark.parametrize(
    "values",
    [
        {"tolerations": [{"key": "node.cilium.io/agent-not-ready", "operator": "Exists"}]},
        {"tls": {"ca": {"key": ""}}},
        {"encryption": {"ipsec": {"keyFile": "keys", "secretName": "cilium-ipsec-keys"}}},
        {"tls": {"ca": {"cert": base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()}}},
    ],
)
def test_what_only_has_such_a_name_is_none(values: dict[str, Any]) -> None:
    assert secrets.found_in(subject(values), "argocd") == []


def test_where_the_chart_takes_the_name_of_a_secret_that_is_said() -> None:
    what = subject(
        {"hubble": {"tls": {"server": {"key": "x"}}}}, values="hubble: {tls: {server: {existingSecret: ''}}}"
    )
    (warning,) = secrets.found_in(what, "flux")
    assert "`hubble.tls.server.existingSecret`" in warning.hint


def test_flux_can_take_any_value_from_a_secret() -> None:
    (warning,) = secrets.found_in(subject({"azure": {"clientSecret": "x"}}), "flux")
    assert "`spec.valuesFrom`, with `targetPath: azure.clientSecret`" in warning.hint


@pytest.mark.parametrize(
    ("job", "method"), [("kind: Job", "cronJob"), ("annotations: {helm.sh/hook: post-install}", "certmanager")]
)
def test_the_way_to_certificates_follows_from_the_chart(job: str, method: str) -> None:
    assert secrets.method(subject(job=job)) == method
    assert f"hubble.tls.auto.method={method}" in secrets.of_changing([CA], subject(job=job)).hint


def test_private_keys_in_a_manifest_are_warned_of() -> None:
    report, said = warned()
    secrets.warn_of_private_keys(rendered(CA), subject(), report)
    (warning,) = said
    assert "Secret `cilium-ca`" in warning.text
    assert warning.grave


@pytest.mark.parametrize(("choice", "quiet"), [("auto", True), ("none", False), ("json", True)])
def test_only_what_is_grave_is_said_to_who_wants_to_hear_nothing(choice: str, *, quiet: bool) -> None:
    said = io.StringIO()
    report = Reporter(choose(choice, quiet=quiet, stream=said, color=False, environ={}))
    report.note("a note")
    report.warn("a warning")
    with report.step("a step"):
        secrets.warn_of_private_keys(rendered(CA), subject(), report)
    first, hint = said.getvalue().splitlines()
    assert "the manifest holds private keys: Secret `cilium-ca`" in first
    assert "hint: let the cluster make them" in hint


def test_a_namespace_of_somebody_elses_is_not_exported() -> None:
    assert namespace_of(subject(namespace="cilium"))["metadata"]["name"] == "cilium"
    assert namespace_of(replace(subject(namespace="cilium"), with_namespace=False)) == {}


# Into a folder


def exported() -> Exported:
    files = (File(name="a.yaml", content="a: 1\n"), File(name="b.yaml", content="b: 1\n"))
    return Exported(form="flux", version="1.20.0", namespace="kube-system", release="cilium", files=files)


def refuse(question: str) -> None:
    raise NeedsConfirmation(question)


def test_files_are_written_and_the_same_ones_again_without_a_question(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    place(exported(), folder, refuse)
    assert place(exported(), folder, refuse).folder == str(folder)
    assert (folder / "b.yaml").read_text() == "b: 1\n"


def test_a_file_that_differs_is_only_replaced_with_consent(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("mine")
    with pytest.raises(NeedsConfirmation, match=r"b\.yaml"):
        place(exported(), tmp_path, refuse)
    assert not (tmp_path / "a.yaml").exists()
    place(exported(), tmp_path, lambda _question: None)
    assert (tmp_path / "b.yaml").read_text() == "b: 1\n"


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Missing, match="cannot be written to"):
        place(exported(), tmp_path / "file", refuse)


def test_one_stream_parts_its_documents() -> None:
    assert exported().text == "a: 1\n---\nb: 1\n"


def test_an_object_that_is_too_large_for_an_annotation_is_told_with_the_way_round_it() -> None:
    events: list[object] = []
    small = {"kind": "ConfigMap", "metadata": {"name": "small"}, "data": {"x": "y"}}
    large = {"kind": "ConfigMap", "metadata": {"name": "cilium-dashboard"}, "data": {"x": "y" * 300_000}}
    warn_of_large(rendered(small, large), Reporter(events.append))
    (warned,) = [event for event in events if isinstance(event, Warned)]
    assert "ConfigMap `cilium-dashboard`" in warned.text
    assert "small" not in warned.text
    assert "--server-side" in warned.hint
