"""`ci init`, and what it and the action at the root of the repository hold: linted, and run where that can be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer._click.exceptions import UsageError  # noqa: TID251 - command lines are parsed as the program does

from ciliumctl import defaults, tools
from ciliumctl.clients.web import Web
from ciliumctl.errors import CiliumctlError
from ciliumctl.pipelines import shell_steps
from ciliumctl.report import Reporter
from docs.generating.commands import commands
from tests.docs.test_pages import ours, parse
from tests.world.devices import device
from tests.world.run import HERE, Ran, quiet_environ, run

_CACHE = Path(os.environ.get("CILIUMCTL_CACHE") or defaults.cache_folder())
ACTION = HERE / "action.yml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WAYS = [
    ("github",),
    ("github", "--cluster", "kubeconfig"),
    ("gitlab",),
    ("gitlab", "--cluster", "kubeconfig"),
    ("tekton",),
]
FULL = ("--cilium-version", "1.20.0", "--preset", "hubble", "--profile", "full", "--version", COMMIT)


def init(tmp_path: Path, *arguments: str, stdin: str = "", **more: str) -> Ran:
    return run("ci", "init", *arguments, env=quiet_environ(tmp_path, **more), stdin=stdin)


@pytest.fixture
def actionlint() -> Path:
    """GitHub's linter: found, downloaded or built, once for all runs on this machine."""
    try:
        web = Web(environ=os.environ)
        report = Reporter(lambda _event: None)
        return tools.programs(["actionlint"], folder=_CACHE / "bin", web=web, report=report, environ=os.environ)[
            "actionlint"
        ]
    except CiliumctlError as error:
        pytest.skip(f"actionlint is not here, and cannot be fetched or built: {error.message}")


def lint(program: Path, text: str, folder: Path) -> str:
    """What the linter says about a workflow, in a repository that has our action."""
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True, exist_ok=True)
    (folder / ".git").mkdir(exist_ok=True)
    shutil.copy(ACTION, folder / "action.yml")
    (workflows / "it.yml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(program), "-no-color", "-oneline"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def test_without_a_file_the_pipeline_is_all_that_is_printed(tmp_path: Path) -> None:
    ran = init(tmp_path, "gitlab")
    assert (ran.code, ran.err) == (0, "")
    assert yaml.safe_load(ran.out)["stages"] == ["test"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_once_and_only_replaced_with_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "workflows" / "cilium.yml"
    ran = init(tmp_path, "github", "--output", str(path))
    assert (ran.code, ran.out) == (0, f"written: {path}\n")
    ran = init(tmp_path, "github", "-o", str(path))
    assert (ran.code, ran.out) == (0, f"unchanged: {path}\n")
    before = path.read_text()
    ran = init(tmp_path, "github", "--profile", "full", "--output", str(path))
    assert ran.code == 3
    assert f"`{path}` exists and differs" in ran.err
    assert "`--yes`" in ran.err
    assert path.read_text() == before
    ran = init(tmp_path, "github", "--profile", "full", "--output", str(path), "--yes")
    assert (ran.code, ran.out) == (0, f"written: {path}\n")
    assert "--profile full" in path.read_text()


def test_what_must_be_there_is_said_when_the_file_is_written(tmp_path: Path) -> None:
    ran = init(tmp_path, "github", "--cluster", "kubeconfig", "--output", str(tmp_path / "x.yml"))
    assert "needs: a secret `KUBECONFIG`" in ran.out


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_word_json_is_the_format_before_and_after_the_command(where: str, tmp_path: Path) -> None:
    words = ("ci", "init", "tekton")
    argv = ("-o", "json", *words) if where == "before" else (*words, "--output", "json")
    ran = run(*argv, env=quiet_environ(tmp_path))
    assert ran.code == 0
    assert (ran.json["kind"], ran.json["data"]["outcome"]) == ("Pipeline", "shown")
    assert ran.json["data"]["text"] == init(tmp_path, "tekton").out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["name", "wide"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_format_that_there_is_not_is_refused_as_everywhere(
    where: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("ci", "init", "tekton")
    ran = run(*(("-o", word, *words) if where == "before" else (*words, "-o", word)), env=quiet_environ(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert f"this command has no `-o {word}` output" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_named_like_a_format_has_a_folder_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path, "tekton", "-o", "./json").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["json"]


def test_a_dash_is_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = init(tmp_path, "tekton", "--output", "-")
    assert (ran.code, ran.out) == (0, init(tmp_path, "tekton").out)
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to_and_neither_read_nor_replaced(tmp_path: Path) -> None:
    """In a process that may not use much memory: `/dev/full` has no end to read to."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))"
    limited = f"{limit}; from ciliumctl.cli import main; main()"
    for name, code in (("null", 0), ("full", 8)):
        path = device(tmp_path, name)
        (tmp_path / f"to-{name}").symlink_to(path)
        done = subprocess.run(
            [sys.executable, "-c", limited, "ci", "init", "github", "--output", str(tmp_path / f"to-{name}")],
            env={**quiet_environ(tmp_path), "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == code, done.stderr
        assert ("No space left on device" in done.stderr) == bool(code)
        assert (tmp_path / f"to-{name}").is_symlink()
        assert path.is_char_device()


def test_a_file_and_a_format_go_together(tmp_path: Path) -> None:
    path = tmp_path / "cilium.yml"
    ran = run("-o", "json", "ci", "init", "github", "--output", str(path), env=quiet_environ(tmp_path))
    assert (ran.json["data"]["outcome"], ran.json["data"]["file"]) == ("written", str(path))
    ran = run(
        *("ci", "init", "github", "--profile", "full", "--output", str(path)),
        env=quiet_environ(tmp_path, CILIUMCTL_OUTPUT="json"),
    )
    assert ran.code == 3
    assert (ran.json["kind"], ran.json["error"]["code"]) == ("Pipeline", "needs-confirmation")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jenkins",), "github, gitlab, tekton"),
        (("github", "--version", "latest"), "neither a version"),
        (("github", "--preset", "hubbel"), "hubbel"),
        (("gitlab", "--chart", "$(id)"), "cannot stand in a pipeline"),
        (("tekton", "--cluster", "kind"), "kubeconfig"),
        ((), "SYSTEM"),
    ],
)
def test_what_makes_no_sense_is_exit_2(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ran = init(tmp_path, *arguments, "-o", "json")
    assert ran.code == 2
    assert said in ran.err
    assert ran.json["error"]["code"] == "usage"


@pytest.mark.parametrize("options", [(), FULL], ids=["plain", "full"])
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_command_and_option_in_a_pipeline_exists(
    way: tuple[str, ...], options: tuple[str, ...], tmp_path: Path
) -> None:
    there = {words for words, _command in commands()}
    found = 0
    wrong = []
    for step in shell_steps(init(tmp_path, *way, *options).out):
        for line in step.script.splitlines():
            for arguments in ours(line.replace("/opt/ciliumctl/bin/", "")):
                found += 1
                if arguments[:1] == ["connectivity"] and ("connectivity", "test") not in there:
                    continue
                try:
                    parse(arguments)
                except UsageError as error:
                    wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []
    assert found >= 3


def test_an_option_that_does_not_exist_is_seen() -> None:
    for line in ("ciliumctl connectivity test --profil smoke", "ciliumctl lab upp"):
        (arguments,) = ours(line)
        with pytest.raises(UsageError):
            parse(arguments)


@pytest.mark.parametrize("options", [(), FULL], ids=["plain", "full"])
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_script_is_one_that_bash_can_read(way: tuple[str, ...], options: tuple[str, ...], tmp_path: Path) -> None:
    for step in shell_steps(init(tmp_path, *way, *options).out):
        done = subprocess.run(["bash", "-n"], input=step.script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), step.name


@pytest.mark.parametrize("options", [(), FULL], ids=["plain", "full"])
@pytest.mark.parametrize("cluster", ["kind", "kubeconfig"])
def test_github_s_linter_finds_nothing_in_a_workflow(
    cluster: str, options: tuple[str, ...], actionlint: Path, tmp_path: Path
) -> None:
    assert lint(actionlint, init(tmp_path, "github", "--cluster", cluster, *options).out, tmp_path / "repo") == ""


def test_gitlab_s_scripts_are_ones_that_a_small_shell_can_read(tmp_path: Path) -> None:
    """The image that runs kind has no bash."""
    for step in shell_steps(init(tmp_path, "gitlab", *FULL).out):
        done = subprocess.run(["sh", "-n"], input=step.script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), step.name


def test_the_linter_looks(actionlint: Path, tmp_path: Path) -> None:
    text = init(tmp_path, "github").out
    assert "property" in lint(actionlint, text.replace("${{ github.ref }}", "${{ github.reff }}"), tmp_path / "repo")


# The action


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return found


def test_the_action_has_what_github_wants_of_one() -> None:
    metadata = action()
    assert {"name", "description", "inputs", "outputs", "runs"} <= set(metadata)
    assert metadata["runs"]["using"] == "composite"
    for one in (*metadata["inputs"].values(), *metadata["outputs"].values()):
        assert one["description"]
    for name, one in metadata["inputs"].items():
        assert isinstance(one["default"], str), f"{name}: the value of an input is a string"
    for step in metadata["runs"]["steps"]:
        assert step["name"]
        assert ("run" in step) == ("shell" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        assert "${{" not in step.get("run", ""), "what is filled into a script is code: hand it over in `env`"


def test_every_input_and_output_of_the_action_is_used() -> None:
    text = ACTION.read_text(encoding="utf-8")
    metadata = action()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(metadata["inputs"])
    steps = {step["id"]: step for step in metadata["runs"]["steps"] if "id" in step}
    for step, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        assert f'echo "{output}=' in steps[step]["run"]


def test_github_s_linter_finds_nothing_in_the_action(actionlint: Path, tmp_path: Path) -> None:
    """The linter reads no action's steps: they have the form of a reusable workflow's, with the same inputs."""
    metadata = action()
    inputs = {name: {"type": "string", "default": one["default"]} for name, one in metadata["inputs"].items()}
    steps = metadata["runs"]["steps"]
    workflow = {
        "on": {"workflow_call": {"inputs": inputs}},
        "jobs": {"it": {"runs-on": "ubuntu-24.04", "steps": steps}},
    }
    assert lint(actionlint, yaml.safe_dump(workflow), tmp_path) == ""
    # And it is called as a workflow calls it.
    call = {"uses": "./", "with": {"args": "status --wait", "cache": "false"}}
    job: dict[str, Any] = {"runs-on": "ubuntu-24.04", "steps": [call]}
    assert lint(actionlint, yaml.safe_dump({"on": "push", "jobs": {"it": job}}), tmp_path) == ""
    call["with"] = {"arguments": "status"}
    assert "arguments" in lint(actionlint, yaml.safe_dump({"on": "push", "jobs": {"it": job}}), tmp_path)


class Runner:
    """A runner's folders and files; it runs the action's own scripts."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.environ = quiet_environ(folder) | {
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_PATH": str(folder / "path"),
            "RUNNER_TEMP": str(folder / "temp"),
            "ACTION": str(HERE),
            "CACHE": "true",
            "PYTHON": sys.executable,
            **environ,
        }
        (folder / "temp").mkdir()

    def step(self, name: str, **environ: str) -> Ran:
        """Run a step."""
        (script,) = [step["run"] for step in action()["runs"]["steps"] if step["name"] == name]
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            argv, env=self.environ | environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    @property
    def outputs(self) -> dict[str, str]:
        """What the steps put out."""
        return dict(line.split("=", 1) for line in (self.folder / "output").read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_the_action_keeps_the_folder_that_ciliumctl_downloads_into(runner: Runner) -> None:
    place = "Look for what was downloaded before"
    assert runner.step(place).code == 0
    assert runner.outputs["programs"] == str(runner.folder / "cache" / "bin")
    key = runner.outputs["key"]
    assert re.fullmatch(r"ciliumctl-\w+-3\.\d+\.\d+\w*-\w+-[0-9a-f]{16}", key)
    assert runner.step(place, CILIUMCTL_CACHE="").code == 0
    script = "from ciliumctl import defaults; print(defaults.cache_folder() / 'bin')"
    environ = {"HOME": str(runner.folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert runner.outputs["programs"] == done.stdout.strip()
    assert runner.outputs["key"] == key


def test_another_set_of_dependencies_is_another_key(runner: Runner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "templates").mkdir(parents=True)
    (other / "requirements.txt").write_text("a==1\n")
    shutil.copy(HERE / "templates" / "tools.yaml", other / "templates")
    keys = []
    for folder in (HERE, other):
        assert runner.step("Look for what was downloaded before", ACTION=str(folder)).code == 0
        keys.append(runner.outputs["key"])
    assert keys[0] != keys[1]


def test_beside_a_kubeconfig_no_program_comes_out_of_a_cache(runner: Runner, tmp_path: Path) -> None:
    place = "Look for what was downloaded before"
    assert runner.step(place).code == 0
    key = runner.outputs["key"]
    assert runner.step(place, CACHE="packages").code == 0
    assert runner.outputs["programs"] == ""
    assert runner.outputs["key"] != key, "a cache that has programs in it must not be found"
    ran = runner.step(place, CACHE="yes")
    assert (ran.code, ran.out) == (2, "::error title=ciliumctl::`cache` is neither `true`, `packages` nor `false`\n")
    text = init(tmp_path, "github", "--cluster", "kubeconfig").out
    (step,) = [step for step in yaml.safe_load(text)["jobs"]["connectivity"]["steps"] if "ciliumctl/" in str(step)]
    assert step["with"] == {"cache": "packages"}
    text = init(tmp_path, "gitlab", "--cluster", "kubeconfig").out
    cache = yaml.safe_load(text)["cilium"]["cache"]
    assert cache["paths"] == [".cache/pip"]
    assert cache["key"] != yaml.safe_load(init(tmp_path, "gitlab").out)["cilium"]["cache"]["key"]


def requirements() -> dict[str, str]:
    """What the action and the pipelines install, with its version."""
    text = (HERE / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_what_is_installed_has_hashes_and_the_versions_that_are_tested() -> None:
    text = (HERE / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line
    found = requirements()
    assert len(found) == len(lines)
    tested = dict(line.split("==") for line in (HERE / "constraints.txt").read_text().splitlines() if "==" in line)
    # What builds the wheel is no part of an environment.
    building = {"hatchling", "tomlkit", "trove-classifiers"}
    assert {name: found[name] for name in found if name not in building}.items() <= tested.items()
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    assert {re.match(r"[\w-]+", line)[0].lower() for line in wanted} <= set(found)  # type: ignore[index]


def test_the_action_names_a_python_that_is_too_old_or_not_there(runner: Runner) -> None:
    old = runner.folder / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), "no-such-python"):
        ran = runner.step("Look for what was downloaded before", PYTHON=python)
        assert ran.code == 8
        assert f"`{python}` is no Python 3.11 or newer" in ran.out


def test_the_action_hands_arguments_on_as_they_are_and_ends_with_the_program_s_code(runner: Runner) -> None:
    program = runner.folder / "ciliumctl"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\nexit 3\n')
    program.chmod(0o755)
    ran = runner.step("Run ciliumctl", PROGRAM=str(program), ARGS="install --set 'a=b c' \"$(id)\" ; id `id`")
    assert ran.code == 3
    words = ["install", "--set", "a=b c", "$(id)", ";", "id", "`id`"]
    assert ran.out.splitlines() == [f"<{word}>" for word in words]


def test_no_module_of_the_repository_runs_in_the_action(runner: Runner) -> None:
    for name in ("hashlib", "importlib", "os", "platform", "shlex"):
        (runner.folder / f"{name}.py").write_text("raise SystemExit('this came out of the workspace')\n")
    ran = runner.step("Look for what was downloaded before")
    assert (ran.code, ran.err) == (0, "")
    ran = runner.step("Run ciliumctl", PROGRAM=shutil.which("true") or "", ARGS="status")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_python_is_never_run_with_the_repository_on_its_path(way: tuple[str, ...], tmp_path: Path) -> None:
    steps = [*shell_steps(init(tmp_path, *way).out), *shell_steps(ACTION.read_text(encoding="utf-8"))]
    found = [line for step in steps for line in re.findall(r'(?:python3?|"\$PYTHON")"? -.*', step.script)]
    assert len(found) >= 5
    assert all(re.match(r"\S+ -I -[cm] ", line) for line in found), found


@pytest.mark.integration
def test_the_action_installs_this_checkout_with_the_exact_dependencies(runner: Runner) -> None:
    known = {
        name: os.environ[name]
        for name in os.environ
        if name.startswith(("PIP_", "UV_", "SSL_")) or "proxy" in name.lower()
    }
    ran = runner.step("Install ciliumctl", PIP_CACHE_DIR=str(runner.folder / "pip"), **known)
    if ran.code and re.search(r"NewConnectionError|Temporary failure|No matching distribution", ran.err):
        pytest.skip("no package index answers: dependencies cannot be installed")
    assert ran.code == 0, ran.err
    program = Path(runner.outputs["path"])
    assert (runner.folder / "path").read_text() == f"{program.parent}\n"
    assert [one.name for one in program.parent.iterdir()] == ["ciliumctl"]
    frozen = subprocess.run(
        [str(runner.folder / "temp" / "ciliumctl" / "bin" / "pip"), "freeze", "--exclude", "ciliumctl"],
        env=runner.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    installed = dict(line.lower().replace("_", "-").split("==") for line in frozen.splitlines())
    assert installed
    assert installed.items() <= requirements().items()
    ran = runner.step("Run ciliumctl", PROGRAM=str(program), ARGS="ci init github")
    assert (ran.code, ran.out) == (0, init(runner.folder, "github").out)
