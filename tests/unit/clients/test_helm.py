from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
import yaml

from ciliumctl.clients.helm import Helm, HelmOptions, Inputs, SetFlag, checked_version
from ciliumctl.errors import CiliumctlError, HelmFailed, HelmTimedOut, Locked, Missing
from ciliumctl.wait import Deadline
from tests.world.helm import StubHelm


@pytest.fixture
def stub(tmp_path: Path) -> StubHelm:
    return StubHelm(tmp_path)


def helm(stub: StubHelm, **options: object) -> Helm:
    return Helm(HelmOptions(executable=str(stub.path), **options), deadline=Deadline.after(20))  # type: ignore[arg-type]


INPUTS = Inputs(
    generated={"operator": {"replicas": 1}},
    files=(Path("/x/a.yaml"), Path("/x/b.yaml")),
    flags=(SetFlag(kind="set", text="a=1"), SetFlag(kind="set-string", text="b=2")),
)


def test_generated_values_go_by_stdin_before_the_user_s_files_and_flags(stub: StubHelm) -> None:
    stub.answer_release()
    helm(stub).install("cilium", "/charts/cilium.tgz", INPUTS, namespace="kube-system")
    (call,) = stub.calls
    assert call.argv[:3] == ["install", "cilium", "/charts/cilium.tgz"]
    assert json.loads(call.stdin) == {"operator": {"replicas": 1}}
    order = [part for part in call.argv if part in {"-", "/x/a.yaml", "/x/b.yaml", "a=1", "b=2"}]
    assert order == ["-", "/x/a.yaml", "/x/b.yaml", "a=1", "b=2"]


def test_a_character_beyond_16_bits_reaches_helm_as_itself(stub: StubHelm) -> None:
    stub.answer_release()
    values = {"team": "net \N{HONEYBEE}", "odd": "a\x85b\u2028c\x7f \\ud83d"}
    helm(stub).install("cilium", "/c.tgz", Inputs(generated=values), namespace="x")
    said = stub.calls[0].stdin
    assert json.loads(said) == yaml.safe_load(said) == values
    assert "\N{HONEYBEE}" in said


def test_helm_acts_as_the_same_user_on_the_same_cluster(stub: StubHelm) -> None:
    stub.answer_release()
    client = helm(stub, kubeconfig="/k.conf", context="prod", as_user="jane", as_groups=("a", "b"))
    client.install("cilium", "/c.tgz", Inputs(), namespace="x")
    argv = " ".join(stub.calls[0].argv)
    assert "--kubeconfig /k.conf --kube-context prod --kube-as-user jane --kube-as-group a --kube-as-group b" in argv


def test_helm_s_own_variables_cannot_lead_it_to_another_cluster(stub: StubHelm) -> None:
    stub.path.write_text(f"#!/bin/sh\nenv > {stub.path}.env\necho '{{}}'\n")
    environ = {**os.environ, "HELM_KUBECONTEXT": "other", "HELM_NAMESPACE": "other", "HELM_DRIVER": "secret"}
    client = Helm(HelmOptions(executable=str(stub.path)), environ=environ, deadline=Deadline.after(20))
    client.install("cilium", "/c.tgz", Inputs(), namespace="x", dry_run=True)
    seen = Path(f"{stub.path}.env").read_text()
    assert "HELM_DRIVER=secret" in seen
    assert "HELM_KUBECONTEXT" not in seen
    assert "HELM_NAMESPACE" not in seen


def test_a_release_comes_back_from_an_installation(stub: StubHelm) -> None:
    stub.answer_release(version=4)
    release = helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x", description="why")
    assert not isinstance(release, str)
    assert (release.revision, release.chart_version) == (4, "1.15.6")
    assert stub.calls[0].argv[-2:] == ["--description", "why"]


def test_a_server_side_dry_run_gives_the_manifest(stub: StubHelm) -> None:
    stub.answer_release()
    assert helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x", dry_run=True) == "kind: X\n"
    assert "--dry-run=server" in stub.calls[0].argv


def test_what_helm_prints_before_its_json_is_skipped(stub: StubHelm) -> None:
    stub.answer(
        stdout='Pulled: registry/x\nDigest: sha256:1\n{"name": "cilium", "version": 1, "chart": {"metadata": {}}}'
    )
    release = helm(stub).upgrade("cilium", "/c.tgz", Inputs(), namespace="x")
    assert release.revision == 1
    assert "--reset-values" in stub.calls[0].argv


def test_a_failure_is_one_of_our_errors_with_helm_s_words(stub: StubHelm) -> None:
    stub.answer(code=1, stderr="Error: another operation (install/upgrade/rollback) is in progress\n")
    with pytest.raises(Locked) as caught:
        helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x")
    assert "is in progress" in caught.value.detail


def test_a_helm_that_cannot_be_run_is_missing(tmp_path: Path) -> None:
    client = Helm(HelmOptions(executable=str(tmp_path / "no-helm")))
    with pytest.raises(Missing, match="cannot be run"):
        client.install("cilium", "/c.tgz", Inputs(), namespace="x")


def test_helm_is_stopped_when_its_time_is_up(stub: StubHelm) -> None:
    stub.answer(hang=True, says_when_stopped=True)
    client = helm(stub)
    client.deadline = Deadline.after(0.5)
    with pytest.raises(HelmTimedOut):
        client.install("cilium", "/c.tgz", Inputs(), namespace="x")
    assert (stub.folder / "stopped").read_text() == "TERM"
    assert not alive(stub.calls[0].pid)


def interrupt_when_it_hangs(stub: StubHelm) -> threading.Thread:
    def send() -> None:
        while not (stub.folder / "hanging").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_ends_helm_within_about_a_second(stub: StubHelm, stubborn: bool) -> None:  # noqa: FBT001
    stub.answer(hang=True, says_when_stopped=True, stubborn=stubborn)
    thread = interrupt_when_it_hangs(stub)
    with pytest.raises(KeyboardInterrupt):
        helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x")
    thread.join()
    assert not alive(stub.calls[0].pid)
    assert (stub.folder / "stopped").exists() is not stubborn


@pytest.mark.parametrize(
    ("text", "version"), [("v3.22.0+g1", "3.22.0"), ("v3.22", "3.22"), ("v4.3.1", "4.3.1"), ("v3.13.0", "3.13.0")]
)
def test_versions_are_read_from_releases_and_own_builds(stub: StubHelm, text: str, version: str) -> None:
    stub.answer(stdout=text)
    assert checked_version(str(stub.path), os.environ) == version


@pytest.mark.parametrize(
    ("version", "flags"),
    [("v3.17.0", ["--take-ownership"]), ("v4.3.1", ["--take-ownership", "--force-conflicts"])],
)
def test_objects_are_taken_over_as_each_helm_can(stub: StubHelm, version: str, flags: list[str]) -> None:
    """Helm 4 applies on the server, where the fields belong to whoever applied them before."""
    body = json.dumps({"name": "cilium", "version": 1, "chart": {"metadata": {}}})
    stub.answer(stdout=f"{version}\n{body}")
    helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x", take_ownership=True)
    helm(stub).upgrade("cilium", "/c.tgz", Inputs(), namespace="x", take_ownership=True)
    changing = [call.argv for call in stub.calls if call.argv[0] in {"install", "upgrade"}]
    assert [argv[-len(flags) :] for argv in changing] == [flags, flags]


def test_a_helm_that_cannot_take_objects_over_is_refused_before_it_runs(stub: StubHelm) -> None:
    stub.answer(stdout="v3.16.4")
    with pytest.raises(Missing, match=r"3\.17 or later"):
        helm(stub).install("cilium", "/c.tgz", Inputs(), namespace="x", take_ownership=True)
    assert [call.argv[0] for call in stub.calls] == ["version"]


@pytest.mark.parametrize(("text", "words"), [("v3.12.9", "too old"), ("v2.17.0", "too old"), ("hello", "is not helm")])
def test_a_helm_that_cannot_do_it_is_refused(stub: StubHelm, text: str, words: str) -> None:
    stub.answer(stdout=text)
    with pytest.raises(Missing, match=words):
        checked_version(str(stub.path), os.environ)


def test_no_exception_of_pyhelm3_leaks(stub: StubHelm) -> None:
    for text in (
        "release: not found",
        "execution error",
        "is invalid",
        "etcdserver: leader changed",
        "context canceled",
    ):
        stub.answer(code=1, stderr=f"Error: {text}")
        with pytest.raises(CiliumctlError):
            helm(stub).uninstall("cilium", namespace="x")


def test_a_pull_that_leaves_nothing_is_a_failure(stub: StubHelm, tmp_path: Path) -> None:
    with pytest.raises(HelmFailed, match="left no archive"):
        helm(stub).pull("oci://x/cilium", tmp_path / "empty")


def test_no_token_is_ever_on_argv(stub: StubHelm) -> None:
    stub.answer_release()
    helm(stub, kubeconfig="/k.conf").install("cilium", "/c.tgz", Inputs(), namespace="x")
    assert not any("token" in part for part in stub.calls[0].argv)
