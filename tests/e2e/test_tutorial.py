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
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl import yaml_files
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline
from tests.cluster import cluster as real
from tests.cluster import dns, images
from tests.cluster.__main__ import CHARTS
from tests.cluster.enforcer import Enforcer
from tests.e2e.conftest import CACHE, VALUES, Nodes, environ_for
from tests.e2e.session_of_page import File, Step, missing, steps
from tests.world.run import HERE

PAGE = HERE / "docs" / "tutorial" / "course.md"
_NAME = "tutorial"
_CHART = CHARTS / "cilium-1.15.6.tgz"
# What runs until Ctrl-C, and prints the address of a page.
_STAYS = ("hubble ui", "demo url --forward")
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
    demo = {"image": images.PROBE, "port": 8080, "arg": ["netexec", "--http-port=8080"]}
    settings = {
        "install": {"values": [str(VALUES)]},
        "connectivity": {"test": {"image": [f"probe={images.PROBE}"]}},
        "demo": {"deploy": demo},
    }
    path = folder / "settings.yaml"
    path.write_text(yaml_files.dump(settings), encoding="utf-8")
    return {"CILIUMCTL_CONFIG": str(path), "CILIUMCTL_REPOSITORY": str(CHARTS)}


@pytest.mark.timeout(1200)
def test_every_command_of_the_course_does_what_its_page_shows(nodes: Nodes, tmp_path: Path) -> None:
    done = 0
    for step in steps(PAGE):
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.text, encoding="utf-8")
            continue
        code, said = _run(nodes, step, tmp_path)
        assert (code != 0) is step.fails, f"$ {step.command}\n{said}"
        line = missing(step.shown, _as_on_the_page(said, nodes.cluster.kube.context))
        assert not line, f"$ {step.command}\nshown, and did not come: {line}\n{said}"
        if "demo deploy" in step.command:
            assert dns.wait(nodes.cluster.kube, Deadline.after(60))
        done += 1
    assert done > 15


def _as_on_the_page(said: str, context: str) -> str:
    return re.sub(rf"(?<=of |om ){re.escape(context)}\b", _CONTEXT, said)


def _run(nodes: Nodes, step: Step, folder: Path) -> tuple[int, str]:
    program, *arguments = shlex.split(step.command)
    assert program == "ciliumctl", "every step is one of our commands"
    argv = [sys.executable, "-m", "ciliumctl", "--helm", str(nodes.cluster.programs["helm"]), *arguments]
    with subprocess.Popen(
        argv, env=nodes.environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        assert running.stdout is not None
        if any(words in step.command for words in _STAYS):
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
