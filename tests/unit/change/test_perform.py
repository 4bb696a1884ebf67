from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts, journal, lock, release, status
from ciliumctl.change.batches import Stages
from ciliumctl.change.perform import How, perform
from ciliumctl.change.target import Target
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs
from ciliumctl.clients.kube import LEASES, SECRETS, ConnectOptions, Kube, connect
from ciliumctl.errors import Exists, HelmFailed, Locked
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline
from tests.world import objects
from tests.world.cluster import FakeCluster
from tests.world.helm import StubHelm

WHERE = status.Where(namespace="kube-system", release="cilium", storage=SECRETS)


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    cluster.add(*objects.healthy_cilium(), objects.release(revision=3))
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def target(kube: Kube, config: dict[str, Any]) -> Target:
    before = release.current(kube, "cilium", "kube-system")
    assert before is not None
    files = {"Chart.yaml": b"name: cilium\nversion: 1.16.0\n", "values.yaml": b"{}\n"}
    chart = charts.Chart(path=Path("/none"), source="test", files=files)
    return Target(before=before, chart=chart, inputs=Inputs(generated=config), config=config, manifest="")


def how(helm: StubHelm, **more: Any) -> How:
    return How(
        helm=Helm(HelmOptions(executable=str(helm.path))),
        holder=lock.Holder(who="me", command="ciliumctl upgrade"),
        where=WHERE,
        deadline=Deadline.after(20),
        report=Reporter(lambda _event: None),
        operation="upgrade",
        **more,
    )


@pytest.mark.parametrize(
    ("stages", "mark"),
    [
        (Stages(size="1"), "[updates paused since revision 3; own updateStrategy.type=RollingUpdate]"),
        (None, ""),
    ],
)
def test_the_journal_has_the_mark_of_a_pause_before_helm_is_asked(
    kube: Kube, stub_helm: StubHelm, stages: Stages | None, mark: str
) -> None:
    stub_helm.answer(code=1, stderr="Error: no\n")
    seen: list[str] = []

    def first() -> None:
        seen.extend(entry.paused for entry in journal.read(kube, "kube-system", "cilium"))

    wanted = target(kube, {"updateStrategy": {"type": "RollingUpdate"}})
    with pytest.raises(HelmFailed):
        perform(kube, wanted, how(stub_helm, stages=stages, first=first))
    assert seen == [mark]


@pytest.mark.parametrize("more", [{}, {"atomic": True}])
def test_a_run_that_has_lost_its_lock_asks_helm_for_nothing_more(
    kube: Kube, stub_helm: StubHelm, monkeypatch: pytest.MonkeyPatch, more: dict[str, bool]
) -> None:
    monkeypatch.setattr(lock, "RENEWED_EVERY", 0.01)

    def first() -> None:
        kube.delete(LEASES, lock.NAME, lock.NAMESPACE)
        time.sleep(1)

    with pytest.raises(Locked):
        perform(kube, target(kube, {"debug": {"enabled": True}}), how(stub_helm, first=first, **more))
    assert [call.argv[0] for call in stub_helm.calls if call.argv[0] in {"upgrade", "rollback"}] == []


@pytest.mark.parametrize("state", ["superseded", "failed"])
def test_a_release_whose_status_changed_before_the_lock_was_held_is_left_alone(
    cluster: FakeCluster, kube: Kube, stub_helm: StubHelm, state: str
) -> None:
    wanted = target(kube, {"debug": {"enabled": True}})
    cluster.add(objects.release(revision=3, status=state))
    with pytest.raises(Exists) as caught:
        perform(kube, wanted, how(stub_helm))
    assert f"it is at revision 3, {state}" in caught.value.message
    assert stub_helm.calls == []
