"""The pipelines of `ci init`, run: the very text of their steps, on real nodes, in what their systems would give them.

What a real cluster does not need (stand-ins for images, values for them) comes from outside of the text, as a user would
give it: a project's file in the repository, or variables. One thing of the text is replaced: no release of ciliumctl is
published, so GitLab's and Tekton's, which name one, install this checkout in its place; GitHub's action does that anyway.
"""

from __future__ import annotations

import os
import re
import shutil
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

import pytest
import yaml

from ciliumctl import __version__
from ciliumctl.pipelines import ShellStep, shell_steps
from tests.cluster import images
from tests.e2e.conftest import CHART, VALUES, VERSION, Nodes
from tests.e2e.container import Container
from tests.e2e.faults import FAULTS
from tests.world.pipelines import GitHubJob, StepRan, run_steps
from tests.world.run import HERE

pytestmark = pytest.mark.timeout(900)

#: Everything that a node forwards from the other is lost: many tests see that.
(BROKEN,) = [fault for fault in FAULTS if fault.name == "loss-100"]
_INSTALLED = f'"ciliumctl=={__version__}"'
_REQUIREMENTS = f"https://raw.githubusercontent.com/ciliumctl/ciliumctl/v{__version__}/requirements.txt"
_USER = 65532


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRan:
    """A job: its steps, the JUnit report (empty when there is none), and where the report was to be."""

    steps: list[StepRan]
    report: str

    @property
    def codes(self) -> dict[str, int]:
        """The steps' exit codes."""
        return {step.name: step.code for step in self.steps}

    @property
    def said(self) -> str:
        """The job's log."""
        return "".join(step.said for step in self.steps)


class System:
    """A CI system with one repository on it, whose caches last from job to job.

    The first job installs ciliumctl, which takes most of a job's time; later ones find it where the first put it.
    `tests` and `installs` are the steps that do so, `chart` is where a job finds the chart.
    """

    tests: ClassVar[str]
    installs: ClassVar[str]
    chart: ClassVar[str] = "./cilium.tgz"

    def __init__(self, name: str, nodes: Nodes, folder: Path) -> None:
        self.nodes = nodes
        self.folder = folder
        self.repository = folder / "repository"
        self.cache = folder / "cache"
        self.pipeline = folder / "pipeline.yaml"
        for path in (self.repository, self.cache):
            path.mkdir()
        shutil.copy(CHART, self.repository / "cilium.tgz")
        shutil.copy(VALUES, self.repository / "values.yaml")
        ran = nodes.run(
            *("ci", "init", name, "--cluster", "kubeconfig", "--chart", self.chart, "--output", str(self.pipeline))
        )
        assert ran.code == 0, ran.err

    @property
    def text(self) -> str:
        """The pipeline, as it was made."""
        return self.pipeline.read_text(encoding="utf-8")

    @property
    def substituted(self) -> str:
        """The pipeline, with this checkout in place of a release."""
        text = self.text
        assert (text.count(_INSTALLED), text.count(_REQUIREMENTS)) == (1, 1)
        return text.replace(_INSTALLED, "/source").replace(_REQUIREMENTS, "/source/requirements.txt")

    def environ(self, **more: str) -> dict[str, str]:
        """What a machine of the system has set; how this one reaches the package index comes along.

        Every request is to be in the log: the kubeconfig's token must not be, even so.
        """
        known = {key: value for key, value in os.environ.items() if key.startswith("PIP_") or "proxy" in key.lower()}
        return {"LANG": "C.UTF-8", "CILIUMCTL_VERBOSE": "2", **known, **more}

    def defaults(self) -> None:
        """Write a project's file: what this cluster needs and a pipeline's text does not have."""
        content = {
            "install": {"values": ["values.yaml"]},
            "connectivity": {"test": {"image": [f"probe={images.PROBE}"]}},
        }
        (self.repository / ".ciliumctl.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def fresh(self, name: str) -> Path:
        """An empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def kept(self, name: str) -> Path:
        """A folder as the job before left it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, kubeconfig: str) -> JobRan:
        """Run a job with a kubeconfig's text."""
        raise NotImplementedError


class GitHub(System):
    """A runner is a machine with much on it, Helm too; nothing but its folders is special."""

    tests = "Test the network"
    installs = "Install Cilium"
    runner: GitHubJob | None = None

    def run(self, kubeconfig: str) -> JobRan:
        self.defaults()
        (work,) = yaml.safe_load(self.text)["jobs"].values()
        (called,) = [step for step in work["steps"] if step.get("uses", "").startswith("ciliumctl/")]
        assert called["uses"] == f"ciliumctl/ciliumctl@v{__version__}"
        # It stands before the first script.
        assert work["steps"].index(called) < min(at for at, step in enumerate(work["steps"]) if "run" in step)
        steps = []
        if self.runner is None:
            self.runner = self.job()
            steps += self.action(self.runner, **called["with"])
        job = self.runner
        job.failed = any(step.code for step in steps)
        job.known["secrets.KUBECONFIG"] = kubeconfig
        report = job.workspace / "connectivity.xml"
        report.unlink(missing_ok=True)
        steps += job.run(shell_steps(self.text))
        assert not (job.temp / "kubeconfig").exists(), "it was to be forgotten"
        return JobRan(steps=steps, report=read(report))

    def job(self) -> GitHubJob:
        """A fresh runner with the repository checked out."""
        place = self.fresh("runner")
        shutil.copytree(self.repository, place / "workspace")
        machine = self.fresh("machine")
        (machine / "helm").symlink_to(self.nodes.cluster.programs["helm"])
        (machine / "python3").symlink_to(Path(sys.executable).resolve())
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return GitHubJob(
            folder=place,
            environ=self.environ(HOME=str(home), PATH=f"{machine}:/usr/bin:/bin"),
            known={"github.action_path": str(HERE)},
        )

    def action(self, job: GitHubJob, **inputs: str) -> list[StepRan]:
        """Run this checkout's action."""
        text = (HERE / "action.yml").read_text(encoding="utf-8")
        given = {name: one["default"] for name, one in yaml.safe_load(text)["inputs"].items()}
        return job.run(shell_steps(text), {**given, **inputs})


class GitLab(System):
    """One container for the job, whose image has Python and bash; the repository and its caches are put into it."""

    tests = installs = "cilium: script"
    place = "/builds/group/project"

    def run(self, kubeconfig: str) -> JobRan:
        self.defaults()
        project = self.fresh("project")
        shutil.copytree(self.repository, project, dirs_exist_ok=True)
        cached = yaml.safe_load(self.text)["cilium"]["cache"]["paths"]
        move(cached, self.cache, project)
        scripts, files = self.fresh("scripts"), self.fresh("files")
        (files / "KUBECONFIG").write_text(kubeconfig)
        helm = self.nodes.cluster.programs["helm"]
        container = Container(
            workdir=self.place,
            folders={
                self.place: project,
                f"{self.place}.tmp": files,
                "/opt/ciliumctl": self.kept("opt"),
                "/scripts": scripts,
                "/source": HERE,
                "/helm": helm.parent,
            },
        )
        given = self.environ(
            CI="true",
            GITLAB_CI="true",
            CI_PROJECT_DIR=self.place,
            CILIUMCTL_HELM=f"/helm/{helm.name}",
            HOME="/root",
            KUBECONFIG=f"{self.place}.tmp/KUBECONFIG",
            PATH="/usr/local/bin:/usr/bin:/bin",
        )
        steps = [
            # GitLab fills variables into variables.
            replace(step, environ={key: string.Template(text).substitute(given) for key, text in step.environ.items()})
            for step in shell_steps(self.substituted)
        ]
        ran = list(joined(steps, scripts, container, given))
        move(cached, project, self.cache)
        return JobRan(steps=ran, report=read(project / "connectivity.xml"))


class Tekton(System):
    """A container for each step, of one pod with common volumes; there is no repository, and no root."""

    tests = "test-the-network"
    installs = "install-cilium"
    chart = "/workspace/cache/cilium.tgz"

    def run(self, kubeconfig: str) -> JobRan:
        places = {f"/workspace/{name}": self.fresh(name) for name in ("kubeconfig", "reports")}
        places |= {"/workspace/cache": self.cache, "/scratch": self.kept("scratch")}
        for name in ("cilium.tgz", "values.yaml"):
            shutil.copy(self.repository / name, self.cache / name)
        helm = self.nodes.cluster.programs["helm"]
        kept = self.cache / "ciliumctl" / "bin" / helm.name
        if not kept.exists():
            kept.parent.mkdir(parents=True)
            shutil.copy(helm, kept)
        (places["/workspace/kubeconfig"] / "kubeconfig").write_text(kubeconfig)
        own(_USER, places["/scratch"], places["/workspace/reports"], self.cache)
        scripts = self.fresh("scripts")
        container = Container(workdir="/scratch", folders={**places, "/scripts": scripts, "/source": HERE}, user=_USER)
        given = self.environ(
            CILIUMCTL_INSTALL_VALUES="/workspace/cache/values.yaml",
            CILIUMCTL_CONNECTIVITY_TEST_IMAGE=f"probe={images.PROBE}",
        )
        ran = list(joined(shell_steps(self.substituted), scripts, container, given))
        return JobRan(steps=ran, report=read(places["/workspace/reports"] / "connectivity.xml"))


def joined(
    steps: Sequence[ShellStep], scripts: Path, container: Container, environ: Mapping[str, str]
) -> Iterator[StepRan]:
    """Run steps in a container that has their scripts in `/scripts`; in GitLab `script` goes on in `before_script`'s shell."""
    if steps[0].name.endswith(": before_script"):
        before, script, *after = steps
        steps = [replace(script, script=f"{before.script}\n{script.script}"), *after]
    yield from run_steps(
        steps,
        folder=scripts,
        environ=environ,
        within=lambda argv: container.argv([word.replace(str(scripts), "/scripts") for word in argv]),
    )


def read(file: Path) -> str:
    """A file's text; none when it is not there."""
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def move(paths: Sequence[str], source: Path, target: Path) -> None:
    """Bring a cache's paths from one folder to another."""
    for path in paths:
        if (source / path).exists():
            shutil.copytree(source / path, target / path, dirs_exist_ok=True)


def own(user: int, *folders: Path) -> None:
    """Give folders to a user, as `fsGroup` does."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


SYSTEMS = {"github": GitHub, "gitlab": GitLab, "tekton": Tekton}
each = pytest.mark.parametrize("name", SYSTEMS)


@pytest.fixture(scope="module")
def systems(cluster: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, System]]:
    """The three systems; afterwards Cilium is there as it was before."""
    yield {name: System(name, cluster, tmp_path_factory.mktemp(name)) for name, System in SYSTEMS.items()}
    ran = cluster.run("install", "--chart", str(CHART), "-f", str(VALUES), "--wait")
    assert ran.code == 0, ran.err


@pytest.fixture
def kubeconfig(cluster: Nodes) -> str:
    """A kubeconfig with a token in it."""
    return cluster.cluster.kubeconfig.read_text(encoding="utf-8")


def token_of(kubeconfig: str) -> str:
    """The token in it."""
    (user,) = yaml.safe_load(kubeconfig)["users"]
    token: str = user["user"]["token"]
    assert len(token) >= 16
    return token


def suites_of(report: str) -> list[ET.Element]:
    """The suites of a JUnit report, each with tests in it."""
    root = ET.fromstring(report)  # noqa: S314 - our own
    assert root.tag == "testsuites"
    found = root.findall("testsuite")
    assert found
    assert all(suite.findall("testcase") for suite in found)
    return found


def total(suites: Sequence[ET.Element], what: str) -> int:
    return sum(int(suite.get(what, "")) for suite in suites)


def errors_in(ran: JobRan) -> list[str]:
    return [line for line in ran.said.splitlines() if line.startswith("::error")]


@each
def test_on_a_healthy_network_every_step_ends_with_0(
    name: str, systems: dict[str, System], kubeconfig: str, cluster: Nodes
) -> None:
    assert cluster.run("uninstall", "--yes").code == 0
    ran = systems[name].run(kubeconfig)
    assert set(ran.codes.values()) == {0}, ran.said
    assert f"Cilium {VERSION} installed in namespace kube-system" in ran.said
    suites = suites_of(ran.report)
    assert total(suites, "tests") >= 15
    assert total(suites, "failures") == total(suites, "errors") == 0
    assert errors_in(ran) == []
    for text in (ran.said, ran.report, *(step.summary for step in ran.steps)):
        assert token_of(kubeconfig) not in text
    if name == "github":
        summary = next(step.summary for step in ran.steps if step.name == GitHub.tests)
        assert f"**{total(suites, 'tests')} passed, 0 failed, 0 skipped**" in summary


@each
def test_a_fault_fails_the_job_is_reported_and_the_rest_still_runs(
    name: str, systems: dict[str, System], kubeconfig: str, cluster: Nodes
) -> None:
    with BROKEN.inject(cluster):
        ran = systems[name].run(kubeconfig)
    codes = ran.codes
    assert codes[systems[name].tests] == 1, ran.said
    # All that went before, an installation of what is there already too.
    before = list(codes)[: list(codes).index(systems[name].tests)]
    assert {codes[step] for step in before} <= {0}
    suites = suites_of(ran.report)
    assert total(suites, "failures") > 0
    # Nodes themselves may still answer: then not all of a direction is broken.
    where = r"from node-1 to node-2: (all \d+|\d+ of \d+) probes failed"
    assert re.search(where, ran.said), ran.said
    assert token_of(kubeconfig) not in ran.said + ran.report
    if name == "github":
        assert list(codes.items())[-1] == ("Forget the kubeconfig", 0)
        assert 1 <= len(errors_in(ran)) <= 9
        summary = next(step.summary for step in ran.steps if step.name == GitHub.tests)
        failed = total(suites, "failures") + total(suites, "errors")
        assert re.search(rf"\*\*\d+ passed, {failed} failed, ", summary), summary
        assert re.search(rf"^- .*{where}", summary, re.MULTILINE), summary
        assert "### ❌ pod-to-pod\n" in summary


@each
def test_a_wrong_token_ends_with_5_before_anything_is_tested(
    name: str, systems: dict[str, System], kubeconfig: str
) -> None:
    wrong = "wr0ng-t0ken-wr0ng-t0ken"
    ran = systems[name].run(kubeconfig.replace(token_of(kubeconfig), wrong))
    codes = ran.codes
    assert codes[systems[name].installs] == 5, ran.said
    assert ran.report == ""
    assert wrong not in ran.said
    assert token_of(kubeconfig) not in ran.said
    if name == "github":
        assert list(codes.items())[-1] == ("Forget the kubeconfig", 0)
        assert GitHub.tests not in codes
        assert len(errors_in(ran)) == 1
    if name == "tekton":
        assert Tekton.tests not in codes


def test_gitlab_says_that_the_variable_is_not_set(systems: dict[str, System]) -> None:
    ran = systems["gitlab"].run("")
    assert ran.codes == {GitLab.installs: 5}
    assert "the variable KUBECONFIG, of the type File, is not set" in ran.said


def test_the_action_runs_a_command_and_ends_with_its_code(
    systems: dict[str, System], cluster: Nodes, kubeconfig: str, tmp_path: Path
) -> None:
    github = systems["github"]
    assert isinstance(github, GitHub)
    job = github.runner or github.job()
    job.failed = False
    if github.runner is None:
        github.action(job)
    assert job.known["steps.install.outputs.version"] == __version__
    job.known["inputs.args"] = "status --wait --timeout 1m"
    text = (HERE / "action.yml").read_text(encoding="utf-8")
    (step,) = [step for step in shell_steps(text) if step.name == "Run ciliumctl"]
    job.environ["KUBECONFIG"] = str(cluster.cluster.kubeconfig)
    (ran,) = job.run([step])
    assert ran.code == 0, ran.said
    assert f"Cilium {VERSION} in namespace kube-system" in ran.out
    wrong = tmp_path / "wrong"
    wrong.write_text(kubeconfig.replace(token_of(kubeconfig), "wrong"))
    job.environ["KUBECONFIG"] = str(wrong)
    (ended,) = job.run([step])
    assert ended.code == 5
    assert "::error title=ciliumctl::" in ended.err
