"""What holds for every command, whichever they are: found in the command tree, listed nowhere."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer._click import Command as Click  # noqa: TID251 - the tree is walked as it is

from ciliumctl import errors
from ciliumctl.cli import app, config_files
from ciliumctl.cli.arguments import USUAL
from ciliumctl.cli.loading import NO_KIND
from docs.generating import results
from docs.generating.commands import commands
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.run import HERE, quiet_environ, run

TREE = dict(commands())
LEAVES = {words: command for words, command in TREE.items() if not hasattr(command, "list_commands")}
GROUPS = {words: command for words, command in TREE.items() if hasattr(command, "list_commands")}
LIBRARIES = {"httpx", "kubernetes", "pyhelm3", "pydantic", "rich", "semver", "websocket", "yaml"}


def named(words: tuple[str, ...]) -> str:
    return " ".join(words) or "ciliumctl"


def error_classes(base: type[errors.CiliumctlError] = errors.CiliumctlError) -> list[type[errors.CiliumctlError]]:
    return [base, *(found for below in base.__subclasses__() for found in error_classes(below))]


@pytest.mark.parametrize("words", TREE, ids=named)
def test_every_command_explains_itself(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = run(*words, "--help", env=quiet_environ(tmp_path))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(('ciliumctl', *words))}")
    if words:
        summary = (TREE[words].help or "").strip().splitlines()[0]
        assert summary.endswith("."), "the first line is a sentence"
        assert summary.split()[0].istitle()


@pytest.mark.parametrize("words", LEAVES, ids=named)
def test_every_option_says_what_it_is_for(words: tuple[str, ...]) -> None:
    for param in LEAVES[words].params:
        text = getattr(param, "help", "") or ""
        assert text, f"{param.name} has no help"
        assert not text.endswith("."), f"{param.name}: a phrase, not a sentence"


@pytest.mark.parametrize("words", LEAVES, ids=named)
def test_every_option_is_named_in_files_as_on_the_command_line(words: tuple[str, ...]) -> None:
    for param in LEAVES[words].params:
        if param.param_type_name == "option":
            name = max(param.opts, key=len).lstrip("-").replace("-", "_")
            assert name == param.name


@pytest.mark.parametrize("words", LEAVES, ids=named)
def test_a_wrong_option_is_exit_2_with_the_command_s_help_named(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = run(*words, "--no-such-option", env=quiet_environ(tmp_path))
    assert ran.code == 2
    assert ran.out == ""
    assert f"ciliumctl {' '.join(words)} --help" in ran.err


@pytest.mark.parametrize("words", LEAVES, ids=named)
def test_a_usage_error_is_a_complete_envelope_for_machines(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = run(*words, "--no-such-option", "-o", "json", env=quiet_environ(tmp_path))
    envelope = json.loads(ran.out)
    assert set(envelope) == {"apiVersion", "kind", "ok", "data", "error"}
    assert (envelope["apiVersion"], envelope["ok"], envelope["data"]) == ("ciliumctl/v1", False, None)
    assert set(envelope["error"]) == {"code", "message", "hint"}
    assert (envelope["error"]["code"], envelope["kind"]) == ("usage", kind_of(words))


@pytest.mark.parametrize("words", [words for words in GROUPS if words], ids=named)
def test_a_group_alone_shows_its_commands(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = run(*words, env=quiet_environ(tmp_path))
    assert ran.code == 2
    for below in TREE:
        if below[:-1] == words:
            assert below[-1] in ran.out + ran.err


def kind_of(words: tuple[str, ...]) -> str:
    module = importlib.import_module(".".join(("ciliumctl.cli.commands", *words)).replace("-", "_"))
    return str(getattr(module, "KIND", NO_KIND))


def test_every_kind_that_a_command_declares_is_the_kind_of_a_result() -> None:
    declared = {kind_of(words) for words in LEAVES} - {NO_KIND}
    assert declared <= set(results.results())


@pytest.mark.parametrize("words", [("preset", "list"), ("config", "explain"), ("tools", "list"), ("lab", "status")])
def test_a_result_has_the_kind_that_its_command_declares(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = run(*words, "-o", "json", env=quiet_environ(tmp_path))
    assert ran.code == 0, ran.err
    assert ran.json["kind"] == kind_of(words)


def test_an_unknown_command_is_exit_2(tmp_path: Path) -> None:
    ran = run("frobnicate", env=quiet_environ(tmp_path))
    assert ran.code == 2
    assert "frobnicate" in ran.err
    assert "ciliumctl --help" in ran.err


#: Commands that ask no cluster, by their first words.
WITHOUT_A_CLUSTER = {
    "apply",
    "ci",
    "cni compare",
    "cni lint",
    "completion",
    "config",
    "connectivity list",
    "lab",
    "policy lint",
    "policy new",
    "policy test",
    "preset",
    "tools",
    "values explain",
    "values lint",
}


def needs_a_cluster(words: tuple[str, ...]) -> bool:
    return not {words[0], " ".join(words[:2])} & WITHOUT_A_CLUSTER


def arguments_of(command: Click) -> list[str]:
    required = [param for param in command.params if param.param_type_name == "argument" and param.required]
    return [getattr(param.type, "words", ("x",))[0] for param in required]


@pytest.mark.parametrize("words", [words for words in LEAVES if needs_a_cluster(words)], ids=named)
def test_without_a_cluster_every_command_ends_with_5_and_its_own_kind(
    words: tuple[str, ...], tmp_path: Path, stub_helm: Any
) -> None:
    stub_helm.answer(stdout="v3.22.0+g")
    env = quiet_environ(tmp_path, KUBECONFIG=str(tmp_path / "none"))
    argv = [*words, *arguments_of(LEAVES[words]), "-o", "json", "--helm", str(stub_helm.path)]
    # What hands a command on wants one.
    ran = run(*argv, *(["--", "x"] if getattr(LEAVES[words], "arguments", USUAL).rest else []), env=env)
    assert ran.code == 5, ran.err
    envelope = json.loads(ran.out)
    assert envelope["kind"] not in {NO_KIND, ""}
    assert envelope["error"]["code"] == "no-kubeconfig"
    assert envelope["error"]["hint"]
    assert "Traceback" not in ran.err


def test_an_api_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "gone",
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
                "clusters": [{"name": "gone", "cluster": {"server": "http://127.0.0.1:9"}}],
                "users": [{"name": "me", "user": {"token": "hush-hush"}}],
            }
        )
    )
    ran = run("status", "-vv", env=quiet_environ(tmp_path, KUBECONFIG=str(config)))
    assert ran.code == 5
    assert "`http://127.0.0.1:9`" in ran.err
    assert "hush-hush" not in ran.err


def test_secrets_are_never_shown_however_much_is(cluster: FakeCluster, command: Command, tmp_path: Path) -> None:
    cluster.add(*objects.healthy_cilium())
    token = json.loads(json.dumps(_token(cluster.kubeconfig(tmp_path))))
    ran = command("status", "-vv", "-o", "json")
    assert ran.code == 0
    assert "GET /api/v1/nodes" in ran.err
    assert token not in ran.out + ran.err


def _token(path: Path) -> str:
    from ciliumctl import yaml_files

    content = yaml_files.load(path)
    return str(content["users"][0]["user"].get("token", "no token at all"))


def test_every_error_has_its_own_code_and_a_documented_exit_code() -> None:
    classes = [found for found in error_classes() if found.__module__ == errors.__name__]
    codes = [found.code for found in classes]
    assert sorted(set(codes)) == sorted(codes)
    assert {found.exit_code for found in classes} <= set(errors.EXIT_CODES)


def test_global_options_are_taken_after_a_group_too(command: Command) -> None:
    assert command("hubble", "--context", "nowhere", "status").code == 5
    assert "`nowhere`" in command("hubble", "--context", "nowhere", "status").err


@pytest.mark.parametrize("line", ["helm: ./evil", "kubeconfig: ./evil", "yes: true"])
def test_a_project_s_file_may_not_name_programs_nor_answer_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / ".ciliumctl.yaml").write_text(f"{line}\n")
    monkeypatch.chdir(tmp_path)
    ran = run("version", "--client", env=quiet_environ(tmp_path))
    assert ran.code == 2
    assert "a project's file may not" in ran.err


def test_a_misspelt_command_is_told_with_what_it_looks_like(tmp_path: Path) -> None:
    ran = run("instal", env=quiet_environ(tmp_path))
    assert ran.code == 2
    assert "error: No such command 'instal'. (Possible commands: install, uninstall)" in ran.err
    assert "(Possible commands: enable" in run("hubble", "enabel", env=quiet_environ(tmp_path)).err


def test_a_command_s_name_in_a_file_takes_options_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    env = quiet_environ(tmp_path, CILIUMCTL_CONFIG=str(file))
    for content, name in (("install: 5", "install"), ("hubble:\n  port-forward: x", "port-forward")):
        file.write_text(f"{content}\n")
        ran = run("version", "--client", env=env)
        assert ran.code == 2
        assert f"`{file}` sets `{name}`, which is a command" in ran.err
    file.write_text("install:\n")
    assert run("version", "--client", env=env).code == 0


def test_what_a_pod_says_cannot_steer_the_terminal(cluster: FakeCluster, command: Command) -> None:
    message = "boo \x1b]0;pwned\x07\x1b[2J"
    cluster.add(*objects.healthy_cilium())
    cluster.add(objects.daemon_set(ready=1))
    cluster.add(objects.pod("cilium-bbbbb", on="two", ready=False, waiting="CrashLoopBackOff", message=message))
    for color in ("never", "always"):
        ran = command("status", "--color", color)
        assert "\x1b]0" not in ran.out + ran.err
        assert "\x1b[2J" not in ran.out + ran.err
        assert r"boo \x1b]0;pwned\x07" in ran.out


def test_a_file_in_a_folder_above_is_only_read_inside_a_repository(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / ".ciliumctl.yaml").write_text("helm: ./evil\n")
    assert config_files.project_file(inner) is None
    (tmp_path / ".git").mkdir()
    assert config_files.project_file(inner) == tmp_path / ".ciliumctl.yaml"


def test_the_help_lists_every_exit_code(tmp_path: Path) -> None:
    shown = run("--help", env=quiet_environ(tmp_path)).out
    for code, meaning in errors.EXIT_CODES.items():
        assert re.search(rf"^ +{code} {{2,}}", shown, re.MULTILINE)
        assert meaning.split(",")[0].split(":")[0] in " ".join(shown.split())


def loaded_by(*arguments: str, env: dict[str, str]) -> set[str]:
    """The libraries that a command imports."""
    script = (
        "import sys\nfrom ciliumctl.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + ' '.join(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**env, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split()) & LIBRARIES


def test_help_and_completion_load_no_library(tmp_path: Path) -> None:
    env = quiet_environ(tmp_path)
    assert loaded_by("--help", env=env) == set()
    assert loaded_by("status", "--help", env=env) == set()
    assert loaded_by("completion", "bash", env=env) == set()


def test_a_status_needs_neither_helm_s_library_nor_the_web_s(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.add(*objects.healthy_cilium())
    env = quiet_environ(tmp_path, KUBECONFIG=str(cluster.kubeconfig(tmp_path)))
    assert loaded_by("status", env=env).isdisjoint({"httpx", "pyhelm3", "rich"})


def test_a_file_of_defaults_is_below_the_environment_and_the_flags(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("namespace: from-file\nyes: true\ninstall:\n  set: [a=b]\n  wait: true\n")
    env = quiet_environ(tmp_path, CILIUMCTL_CONFIG=str(file))
    shown = run("config", "explain", "-o", "json", env=env).json["data"]["settings"]
    values = {setting["option"]: (setting["value"], setting["origin"]) for setting in shown}
    assert values["--namespace"] == ("from-file", str(file))
    assert values["--yes"][0] is True
    shown = run("config", "explain", "-o", "json", env={**env, "CILIUMCTL_NAMESPACE": "from-env"}).json["data"]
    origin = {setting["option"]: setting["origin"] for setting in shown["settings"]}["--namespace"]
    assert origin == "environment variable CILIUMCTL_NAMESPACE"
    shown = run("config", "explain", "install", "-o", "json", env=env).json["data"]["settings"]
    assert {setting["option"]: setting["value"] for setting in shown}["--set"] == ["a=b"]


def test_a_file_of_defaults_that_is_no_yaml_is_exit_2_and_named(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("a: [b\n")
    ran = run("version", "--client", env=quiet_environ(tmp_path, CILIUMCTL_CONFIG=str(file)))
    assert ran.code == 2
    assert str(file) in ran.err
    assert config_files.PROJECT_FILE == ".ciliumctl.yaml"


def test_global_options_are_taken_before_and_after_the_command(cluster: FakeCluster, command: Command) -> None:
    cluster.add(*objects.healthy_cilium(place="cilium"))
    assert command("-n", "cilium", "status").code == 0
    assert command("status", "-n", "cilium").code == 0
    # The one nearer to the command wins, as with git.
    assert command("-n", "elsewhere", "status", "-n", "cilium").code == 0


def test_hints_name_the_cluster_that_the_run_was_told_to_use(command: Command) -> None:
    ran = command("-n", "cilium", "status")
    assert "`ciliumctl -n cilium install --wait`" in ran.out


def test_the_entry_point_is_the_app() -> None:
    assert app.info.name == "ciliumctl"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no `/dev/full`: run it on Linux")
@pytest.mark.parametrize("output", ["table", "json"])
def test_a_full_disk_on_standard_output_is_one_clear_error(tmp_path: Path, output: str) -> None:
    argv = [sys.executable, "-m", "ciliumctl", "preset", "list", "-o", output]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            argv, env=quiet_environ(tmp_path), stdout=full, stderr=subprocess.PIPE, check=False, cwd=HERE, text=True
        )
    assert ran.returncode == 6, ran.stderr
    assert ran.stderr.startswith("error: standard output cannot be written: No space left on device\nhint: ")
    assert len(ran.stderr.splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no `/dev/full`: run it on Linux")
def test_a_full_disk_under_a_command_in_a_container_is_the_same_error() -> None:
    program = (
        "from ciliumctl.cli import terminal\n"
        "from ciliumctl.errors import OutsideError\n"
        "try:\n    terminal.write('stdout', b'x')\nexcept OutsideError as error:\n    raise SystemExit(error.exit_code)\n"
    )
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False, cwd=HERE, text=True
        )
    assert (ran.returncode, ran.stderr) == (6, "")
