from __future__ import annotations

import os
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import pipelines, yaml_files
from ciliumctl.errors import BadFile, Missing, UsageError
from ciliumctl.pipelines import Pipeline, Wanted, generate, shell_steps, write
from tests.world.pipelines import program, run_steps, with_program

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KINDS: list[Any] = [
    ("github", "kind"),
    ("github", "kubeconfig"),
    ("gitlab", "kind"),
    ("gitlab", "kubeconfig"),
    ("tekton", "kubeconfig"),
]
every = pytest.mark.parametrize(("system", "cluster"), KINDS)


def made(system: Any, cluster: Any = "auto", **more: Any) -> Pipeline:
    return generate(Wanted(system=system, cluster=cluster, **{"ciliumctl": "0.1.0", **more}))


def documents(pipeline: Pipeline) -> list[Any]:
    return yaml_files.parse_all(pipeline.text)


@every
@pytest.mark.parametrize("pin", ["0.1.0", "v0.1.0", COMMIT])
def test_nothing_of_the_template_s_own_language_is_left(system: str, cluster: str, pin: str) -> None:
    text = made(system, cluster, ciliumctl=pin).text
    assert not re.search(r"<<|>>\w|# if |# end", text.replace(">> ", ""))
    assert text.endswith("\n")
    assert "\n\n\n" not in text


@every
def test_a_pipeline_installs_waits_and_tests_in_this_order(system: str, cluster: str) -> None:
    scripts = "\n".join(step.script for step in shell_steps(made(system, cluster).text))
    places = [scripts.index(f"ciliumctl {words}") for words in ("install ", "status --wait", "connectivity test ")]
    assert places == sorted(places)
    assert re.search(r"connectivity test .*--report junit=\S*connectivity\.xml", scripts)


@every
def test_the_version_is_pinned_everywhere(system: str, cluster: str) -> None:
    for pin, named in (("0.1.0", "v0.1.0"), ("v0.1.0", "v0.1.0"), (COMMIT, COMMIT)):
        text = made(system, cluster, ciliumctl=pin).text
        assert named in text
        assert (
            len(set(re.findall(r"ciliumctl/ciliumctl[@/](?:archive/)?([\w.]+?)(?:/requirements|\.tar|\s)", text))) == 1
        )
        assert "latest" not in text


@pytest.mark.parametrize("system", ["gitlab", "tekton"])
def test_a_commit_is_installed_out_of_that_commit_s_archive(system: str) -> None:
    assert (
        f"ciliumctl @ https://github.com/ciliumctl/ciliumctl/archive/{COMMIT}.tar.gz"
        in made(system, ciliumctl=COMMIT).text
    )
    assert '"ciliumctl==0.1.0"' in made(system, ciliumctl="v0.1.0").text


@pytest.mark.parametrize("pin", ["latest", "main", "0123abc", "", "1.2", "0.1.0; id", "0.1.0\n"])
def test_what_is_no_pin_is_refused(pin: str) -> None:
    with pytest.raises(UsageError, match="neither a version of ciliumctl nor a full commit"):
        made("github", ciliumctl=pin)


def test_the_options_of_install_are_handed_on() -> None:
    text = made("github", cilium="1.20.0", chart="./charts/cilium", presets=("hubble", "minimal"), profile="full").text
    assert "ciliumctl install --version 1.20.0 --chart ./charts/cilium --preset hubble --preset minimal --wait" in text
    assert "connectivity test --profile full" in text


@given(st.text(alphabet=string.printable, min_size=1, max_size=12))
def test_a_word_that_a_shell_or_a_ci_system_would_read_otherwise_is_refused(word: str) -> None:
    try:
        text = made("github", chart=word).text
    except UsageError:
        return
    assert re.fullmatch(r"[\w./:@+~-]+", word)
    assert f"--chart {word} " in text


@pytest.mark.parametrize("word", ["$(id)", "${{ secrets.X }}", "a b", "a;b", "-f", "a\nb", "`id`", "~root"])
def test_a_chart_cannot_smuggle_a_command_in(word: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a pipeline"):
        made("gitlab", chart=word)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="hubbel"):
        made("github", presets=("hubbel",))


def test_tekton_takes_a_given_cluster_and_refuses_kind() -> None:
    assert made("tekton").cluster == "kubeconfig"
    with pytest.raises(UsageError, match="privileged"):
        made("tekton", "kind")


def test_a_given_cluster_is_used_by_one_run_at_a_time_and_never_by_a_pull_request() -> None:
    (workflow,) = documents(made("github", "kubeconfig"))
    assert workflow["concurrency"] == {"group": "cilium", "cancel-in-progress": False}
    assert "pull_request" not in workflow[True]
    (jobs,) = documents(made("gitlab", "kubeconfig"))
    assert jobs["cilium"]["resource_group"] == "cilium"
    assert jobs["cilium"]["interruptible"] is False
    assert "merge_request" not in str(jobs["cilium"]["rules"])
    # A throwaway one is each run's own, and a newer push ends the run.
    (workflow,) = documents(made("github", "kind"))
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "pull_request" in workflow[True]


def test_github_gets_no_more_rights_than_to_read_and_every_action_is_pinned_by_commit() -> None:
    for cluster in ("kind", "kubeconfig"):
        pipeline = made("github", cluster, ciliumctl=COMMIT)
        (workflow,) = documents(pipeline)
        assert workflow["permissions"] == {"contents": "read"}
        (job,) = workflow["jobs"].values()
        assert "permissions" not in job
        assert job["timeout-minutes"] == 45
        for step in job["steps"]:
            assert step["name"]
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        assert not re.search(r"uses: actions/\S+@[0-9a-f]{40}(?! # v\d+\.\d+\.\d+$)", pipeline.text, re.MULTILINE)


def test_no_expression_of_github_stands_in_a_script() -> None:
    for cluster in ("kind", "kubeconfig"):
        for step in shell_steps(made("github", cluster).text):
            assert "${{" not in step.script


def test_github_keeps_the_report_and_ends_the_cluster_after_a_failure_too() -> None:
    (workflow,) = documents(made("github", "kind"))
    steps = {step["name"]: step for step in workflow["jobs"]["connectivity"]["steps"]}
    assert steps["Keep the report"]["if"] == steps["End the cluster"]["if"] == "always()"
    assert steps["Keep the report"]["with"]["path"] == "connectivity.xml"
    assert [step.name for step in shell_steps(made("github", "kind").text) if step.always] == ["End the cluster"]


#: The keywords of https://docs.gitlab.com/ci/yaml/ that a job here may have.
GITLAB_JOB = {
    "after_script": list,
    "artifacts": dict,
    "before_script": list,
    "cache": dict,
    "image": dict,
    "interruptible": bool,
    "resource_group": str,
    "rules": list,
    "script": list,
    "stage": str,
    "timeout": str,
    "variables": dict,
}


@pytest.mark.parametrize("cluster", ["kind", "kubeconfig"])
def test_gitlab_s_file_has_gitlab_s_form(cluster: str) -> None:
    (file,) = documents(made("gitlab", cluster))
    assert set(file) == {"stages", "cilium"}
    job = file["cilium"]
    for key, value in job.items():
        assert isinstance(value, GITLAB_JOB[key]), key
    assert job["stage"] in file["stages"]
    for part in ("before_script", "script", "after_script"):
        assert all(isinstance(line, str) for line in job.get(part, ()))
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "connectivity.xml"}
    assert all(set(rule) == {"if"} for rule in job["rules"])
    assert re.fullmatch(r"\d+ minutes", job["timeout"])
    assert set(job["cache"]) == {"key", "paths"}
    # Caches and artifacts lie inside of the project's folder.
    assert all(not path.startswith(("/", "~", "..")) for path in [*job["cache"]["paths"], *job["artifacts"]["paths"]])


def test_tekton_s_objects_name_each_other_and_only_what_they_declare() -> None:
    task, pipeline = documents(made("tekton"))
    assert [(one["apiVersion"], one["kind"]) for one in (task, pipeline)] == [
        ("tekton.dev/v1", "Task"),
        ("tekton.dev/v1", "Pipeline"),
    ]
    (used,) = pipeline["spec"]["tasks"]
    assert used["taskRef"] == {"kind": "Task", "name": task["metadata"]["name"]}
    declared = {workspace["name"] for workspace in task["spec"]["workspaces"]}
    assert {workspace["name"] for workspace in used["workspaces"]} == declared
    assert {workspace["workspace"] for workspace in used["workspaces"]} == {
        workspace["name"] for workspace in pipeline["spec"]["workspaces"]
    }
    for one in (task, pipeline):
        params = {param["name"] for param in one["spec"]["params"]}
        assert set(re.findall(r"\$\(params\.(\w+)\)", str(one))) <= params
    template = task["spec"]["stepTemplate"]
    mounted = {mount["name"] for mount in template["volumeMounts"]}
    assert mounted == {volume["name"] for volume in task["spec"]["volumes"]}
    paths = re.findall(r"/workspace/(\w+)", str(template["env"]))
    assert set(paths) == declared


def test_tekton_s_steps_have_no_rights_and_end_at_the_first_failure() -> None:
    task, _pipeline = documents(made("tekton"))
    security = task["spec"]["stepTemplate"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    names = [step["name"] for step in task["spec"]["steps"]]
    assert len(set(names)) == len(names)
    for step in task["spec"]["steps"]:
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", step["name"])
        assert step["script"].startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
        # Tekton would fill these in before the shell sees them.
        assert not re.search(r"\$\((params|workspaces|context|steps)\.", step["script"])


@every
def test_the_steps_that_check_are_known_from_those_that_prepare(system: str, cluster: str) -> None:
    steps = shell_steps(made(system, cluster).text)
    checking = [step for step in steps if step.checks]
    assert len(checking) == (1 if system == "gitlab" else 3)
    for step in checking:
        assert "pip install" not in step.script
        assert "lab up" not in step.script


@every
def test_what_must_be_there_is_said(system: str, cluster: str) -> None:
    needs = made(system, cluster).needs
    assert any("kubeconfig" in need.lower() for need in needs) == (cluster == "kubeconfig")
    assert any("privileged" in need for need in needs) == ((system, cluster) == ("gitlab", "kind"))


def refuse(path: Path) -> None:
    raise AssertionError(path)


def test_a_file_is_written_with_its_folders_and_then_unchanged(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "workflows" / "cilium.yml"
    pipeline = made("github")
    assert write(pipeline, path, refuse).outcome == "written"
    assert path.read_text() == pipeline.text
    before = path.stat().st_mtime_ns
    assert write(pipeline, path, refuse).outcome == "unchanged"
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_another_file_is_only_replaced_with_consent_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "ci.yml"
    path.write_text("mine\n")
    path.chmod(0o600)
    with pytest.raises(AssertionError):
        write(made("github"), path, refuse)
    assert path.read_text() == "mine\n"
    asked: list[Path] = []
    assert write(made("github"), path, asked.append).outcome == "written"
    assert asked == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_keeps_leading_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "link.yml").symlink_to(tmp_path / "real.yml")
    write(made("github"), tmp_path / "link.yml", refuse)
    assert (tmp_path / "link.yml").is_symlink()
    assert (tmp_path / "real.yml").read_text() == made("github").text


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        write(made("github"), tmp_path, refuse)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="no text"):
        write(made("github"), tmp_path / "binary", refuse)
    (tmp_path / "long").write_text("# much\n" * 1_000_000)
    with pytest.raises(BadFile, match="too long"):
        write(made("github"), tmp_path / "long", refuse)
    (tmp_path / "file").write_text("")
    with pytest.raises((Missing, BadFile), match="cannot be"):
        write(made("github"), tmp_path / "file" / "below.yml", refuse)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Missing, match="cannot be written"):
        write(made("github"), tmp_path / "pipe", refuse)


def stub(folder: Path, *, fails_at: str = "") -> Path:
    script = folder / "stub.sh"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n[ "$1" != "{fails_at}" ] || exit 4\n')
    script.chmod(0o755)
    return program(folder / "bin", [str(script)])


@every
def test_the_checking_steps_run_one_after_the_other_and_stop_at_the_first_failure(
    system: str, cluster: str, tmp_path: Path
) -> None:
    steps = [step for step in shell_steps(made(system, cluster).text) if step.checks]
    environ = with_program(stub(tmp_path), {"PATH": "/usr/bin:/bin", "REPORTS": "reports"})
    assert [ran.code for ran in run_steps(steps, folder=tmp_path, environ=environ)] == [0] * len(steps)
    words = [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]
    assert words == ["install", "status", "connectivity"]
    (tmp_path / "calls").unlink()
    environ = with_program(stub(tmp_path, fails_at="status"), {"PATH": "/usr/bin:/bin", "REPORTS": "reports"})
    ran = list(run_steps(steps, folder=tmp_path, environ=environ))
    assert ran[-1].code == 4
    assert "connectivity" not in (tmp_path / "calls").read_text()


def test_github_s_cluster_is_ended_after_a_failure(tmp_path: Path) -> None:
    environ = with_program(stub(tmp_path, fails_at="install"), {"PATH": "/usr/bin:/bin"})
    ran = list(run_steps(shell_steps(made("github", "kind").text), folder=tmp_path, environ=environ))
    assert [(one.name, one.code) for one in ran[1:]] == [("Install Cilium", 4), ("End the cluster", 0)]
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "lab down --yes"


@pytest.mark.parametrize("content", ["", "apiVersion: v1\n"])
def test_a_secret_kubeconfig_is_written_for_its_owner_only_and_missed_when_it_is_not_set(
    content: str, tmp_path: Path
) -> None:
    steps = [step for step in shell_steps(made("github", "kubeconfig").text) if step.name == "Use the given cluster"]
    file = tmp_path / "kubeconfig"
    environ = {
        "PATH": "/usr/bin:/bin",
        "CONTENT": content,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ENV": str(tmp_path / "env"),
    }
    (ran,) = run_steps(steps, folder=tmp_path, environ=environ)
    if not content:
        assert ran.code == 5
        assert "::error title=ciliumctl::the secret KUBECONFIG is not set" in ran.out
        return
    assert ran.code == 0
    assert file.read_text().strip() == content.strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "env").read_text() == f"KUBECONFIG={file}\n"


def test_every_template_is_a_system_that_can_be_asked_for() -> None:
    from ciliumctl import templates

    assert templates.names("ci") == sorted({system for system, _cluster in KINDS})
    assert pipelines.System.__args__ == ("github", "gitlab", "tekton")  # type: ignore[attr-defined]
