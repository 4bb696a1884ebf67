"""Hubble's page in a real browser, through the forwarded port. The page itself is a stand-in, and says so."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ciliumctl.clients.kube import PODS, dig, name_of
from ciliumctl.wait import Deadline, poll
from tests.e2e.browser import browser, colours
from tests.e2e.conftest import Nodes

UI = "k8s-app=hubble-ui"


@contextmanager
def forwarded(cluster: Nodes) -> Iterator[str]:
    """`hubble ui` on a free port, until Ctrl-C; gives the page's address."""
    process = subprocess.Popen(
        cluster.argv("hubble", "ui", "--no-open-browser", ":0"),
        env=cluster.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cluster.cluster.folder,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


@pytest.fixture(scope="module")
def with_ui(cluster: Nodes) -> Iterator[Nodes]:
    """The cluster with Hubble's page, for as long as these tests run."""
    ran = cluster.run("hubble", "enable", "--ui", "-o", "json", timeout=400)
    assert ran.code == 0, ran.err
    yield cluster
    # The values as they were: a cluster that stays is installed on again.
    before = ran.json["data"]["revision"] - 1
    ran = cluster.run("rollback", str(before), "--yes", timeout=400)
    assert ran.code == 0, ran.err


def test_the_page_is_shown_by_a_real_browser(with_ui: Nodes, tmp_path: Path) -> None:
    with forwarded(with_ui) as url, browser(tmp_path) as window:
        window.open(url)
        assert window.title() == "Hubble UI (stand-in)"
        text = window.text()
        picture = window.screenshot()
    assert "A stand-in for the Hubble UI" in text
    assert "a script has run" in text
    assert picture.startswith(b"\x89PNG")
    assert colours(picture) > 2, "the picture is blank"
    (tmp_path / "hubble-ui.png").write_bytes(picture)


def test_the_page_is_there_again_when_its_pod_was_replaced(with_ui: Nodes) -> None:
    kube = with_ui.cluster.kube
    kube.deadline = Deadline.after(180)

    def asked(url: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=60) as answer:
            return str(answer.read().decode())

    def ready() -> list[str]:
        found = [
            pod for pod in kube.objects(PODS, "kube-system", labels=UI) if "deletionTimestamp" not in pod["metadata"]
        ]
        statuses: list[list[dict[str, bool]]] = [dig(pod, "status", "containerStatuses", default=[]) for pod in found]
        good = bool(found) and all(one["ready"] for some in statuses for one in some) and all(statuses)
        return [name_of(pod) for pod in found] if good else []

    with forwarded(with_ui) as url:
        assert "stand-in" in asked(url)
        (old,) = ready()
        kube.delete(PODS, old, "kube-system")
        assert poll(lambda: bool(ready()) and old not in ready(), bool, deadline=Deadline.after(120), interval=0.5)
        assert "stand-in" in asked(url)
