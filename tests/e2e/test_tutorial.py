"""The course's page, command by command in its order, on real nodes of its own.

The commands run as the page has them. What the stand-ins need instead of Cilium's images, and a server instead of nginx,
is in the configuration file that they read.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ciliumctl import yaml_files
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline, poll
from tests.cluster import cluster as real
from tests.cluster import dns, images
from tests.cluster.__main__ import CHARTS
from tests.cluster.enforcer import Enforcer
from tests.e2e.conftest import CACHE, VALUES, Nodes, environ_for
from tests.e2e.session_of_page import Compared, File, Step, compare, steps
from tests.world.run import HERE

PAGE = HERE / "docs" / "tutorial" / "course.md"
_NAME = "tutorial"
_CHART = CHARTS / "cilium-1.15.6.tgz"
# What runs until Ctrl-C, and prints the address of a page.
_STAYS = ("hubble ui", "demo url --forward")
# What looks at metrics that were switched on a moment ago: the stand-ins serve them a little after they are ready.
_SOON = ("monitoring status", "cni metrics")
# The page's cluster has a name.
_CONTEXT = "prod"


@pytest.fixture
def nodes(machine_for_nodes: None, tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes without a CNI, and the settings that stand for real images."""
    del machine_for_nodes
    if not _CHART.is_file():
        pytest.skip(f"Cilium's chart is not at `{_CHART}`")
    silent = Reporter(lambda _event: None)
    with real.alone(_NAME) as folder:
        running = real.up(_NAME, folder, count=2, bins=CACHE / "bin", charts=[_CHART], report=silent)
        try:
            enforcer = Enforcer.start(running)
            yield Nodes(cluster=running, enforcer=enforcer, environ=environ_for(running) | _settings(tmp_path))
            enforcer.stop()
        finally:
            real.down(_NAME, folder)


def _settings(folder: Path) -> dict[str, str]:
    tools = {"image": images.PROBE}
    settings = {
        "install": {"values": [str(VALUES)]},
        "connectivity": {"test": {"image": [f"probe={images.PROBE}"]}},
        "demo": {"deploy": tools | {"port": 8080, "arg": ["netexec", "--http-port=8080"]}},
        "debug": {"shell": tools},
        "capture": {"run": tools, "mirror": tools},
        "policy": {"test": tools},
    }
    path = folder / "settings.yaml"
    path.write_text(yaml_files.dump(settings), encoding="utf-8")
    return {"CILIUMCTL_CONFIG": str(path), "CILIUMCTL_REPOSITORY": str(CHARTS)}


@pytest.mark.timeout(1200)
def test_every_command_of_the_course_does_what_its_page_shows(nodes: Nodes, tmp_path: Path) -> None:
    """All steps are done, whatever came of those before: one run tells everything that the page has wrong."""
    done: list[Done] = []
    names: dict[str, str] = {}
    for step in steps(PAGE):
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.text, encoding="utf-8")
            continue
        done.append(_do(nodes, step, tmp_path, names))
        names.update(done[-1].found.names)
        if done[-1].wrong and "install" in step.command:
            break  # nothing after it could be as the page has it
        if "demo deploy" in step.command:
            assert dns.wait(nodes.cluster.kube, Deadline.after(60))
        if "--apply" in step.command:
            assert nodes.enforcer.settle()
    wrong = [one.wrong for one in done if one.wrong]
    took = [f"{one.seconds:6.1f} s  {one.step.command}" for one in done]
    assert not wrong, "\n".join([*wrong, *took])
    assert len(done) > 40


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a step."""

    step: Step
    code: int
    said: str
    found: Compared
    seconds: float

    @property
    def wrong(self) -> str:
        """What is not as the page has it; empty when all is."""
        if self.step.ends(self.code) and not self.found.missing:
            return ""
        why = f"did not come: {self.found.missing}" if self.found.missing else "ended with another code"
        return f"$ {self.step.command}\n{self.said}\n{why} (exit code {self.code})\n"


def _do(nodes: Nodes, step: Step, folder: Path, names: Mapping[str, str]) -> Done:
    """Do what the page says, and hold what came against it."""
    begun = time.monotonic()

    def tried() -> Done:
        code, said = _run(nodes, step.called(names), folder)
        found = compare(step.shown, _as_on_the_page(said, nodes.cluster.kube.context))
        return Done(step=step, code=code, said=said, found=found, seconds=time.monotonic() - begun)

    if not any(words in step.command for words in _SOON):
        return tried()
    return poll(tried, lambda one: not one.wrong, deadline=Deadline.after(60), interval=1.0)


def _as_on_the_page(said: str, context: str) -> str:
    return re.sub(rf"(?<=of |om ){re.escape(context)}\b", _CONTEXT, said)


def _run(nodes: Nodes, command: str, folder: Path) -> tuple[int, str]:
    program, *arguments = shlex.split(command)
    assert program == "ciliumctl", "every step is one of our commands"
    argv = [sys.executable, "-m", "ciliumctl", "--helm", str(nodes.cluster.programs["helm"]), *arguments]
    with subprocess.Popen(
        argv, env=nodes.environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        assert running.stdout is not None
        if any(words in command for words in _STAYS):
            first = running.stdout.readline()
            try:
                _ask(first.decode().strip())
            finally:
                running.send_signal(signal.SIGINT)
            return running.wait(60), (first + running.stdout.read()).decode()
        said, _none = running.communicate(timeout=280)
        return running.returncode, said.decode()


def _ask(url: str) -> None:
    """The page is there."""
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with local.open(url, timeout=60) as answer:
        assert answer.status == 200
