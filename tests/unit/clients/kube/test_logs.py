"""A log as a stream: times, cuts, long lines, errors; the wire is an API server in this process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.clients.kube import ConnectOptions, Kube, LogRequest, connect
from ciliumctl.clients.kube.logs import LONGEST, moment
from ciliumctl.errors import ApiFailed, ClusterError, Forbidden, NotFound
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.logs import Kubelets

REQUEST = LogRequest(namespace="kube-system", pod="cilium-aaaaa", container="cilium-agent")


@pytest.fixture
def kubelets(cluster: FakeCluster) -> Iterator[Kubelets]:
    cluster.add(objects.pod("cilium-aaaaa"))
    made = Kubelets(cluster)
    yield made
    made.close()


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


@pytest.mark.parametrize(
    ("line", "time", "text"),
    [
        ("2026-01-02T03:04:05.123456789Z hello", "2026-01-02T03:04:05.123456789Z", "hello"),
        ("2026-01-02T03:04:05.5+02:00  two", "2026-01-02T01:04:05.500000000Z", " two"),
        ("2026-01-02T03:04:05Z ", "2026-01-02T03:04:05.000000000Z", ""),
        ("unable to retrieve container logs", "", "unable to retrieve container logs"),
        ("2026-13-02T03:04:05+02:00 x", "", "2026-13-02T03:04:05+02:00 x"),
    ],
)
def test_a_time_is_told_in_utc_whatever_the_nodes_zone(line: str, time: str, text: str) -> None:
    assert moment(line) == (time, text)


def test_a_cut_log_goes_on_without_a_gap_and_without_a_repeat(kube: Kube, kubelets: Kubelets) -> None:
    # Five lines in one second, two of them in the same nanosecond.
    for index, fraction in enumerate((1, 2, 2, 3, 4)):
        kubelets.write("cilium-aaaaa", "cilium-agent", f"2026-01-02T03:04:05.{fraction:09}Z", f"line {index}")
    kubelets.of("cilium-aaaaa", "cilium-agent").cuts = [2, 4, 4]
    (log,) = kube.open_logs([REQUEST])
    assert [line.text for line in log.lines()] == [f"line {index}" for index in range(5)]
    assert kube.requests == 4


def test_a_log_that_is_cut_again_and_again_is_given_up(kube: Kube, kubelets: Kubelets) -> None:
    kubelets.write("cilium-aaaaa", "cilium-agent", "2026-01-02T03:04:05Z", "one")
    kubelets.of("cilium-aaaaa", "cilium-agent").cuts = [1, 1, 1, 1, 1]
    (log,) = kube.open_logs([REQUEST])
    seen = []
    with pytest.raises(ClusterError):
        seen += [line.text for line in log.lines()]
    assert kube.requests == 3


def test_tail_and_since_are_asked_for_once_and_a_moment_afterwards(
    kube: Kube, kubelets: Kubelets, cluster: FakeCluster
) -> None:
    for number in range(4):
        kubelets.write("cilium-aaaaa", "cilium-agent", f"2026-01-02T03:04:0{number}Z", str(number))
    kubelets.of("cilium-aaaaa", "cilium-agent").cuts = [1]
    (log,) = kube.open_logs(
        [
            LogRequest(
                namespace="kube-system", pod="cilium-aaaaa", container="cilium-agent", tail=3, since=60.0, limit=999
            )
        ]
    )
    assert [line.text for line in log.lines()] == ["1", "2", "3"]
    first, second = (seen.query for seen in cluster.seen)
    assert (first["tailLines"], first["sinceSeconds"], first["limitBytes"]) == ("3", "60", "999")
    assert second["sinceTime"] == "2026-01-02T03:04:01.000000000Z"
    assert not {"tailLines", "sinceSeconds"} & set(second)


def test_a_line_without_an_end_does_not_fill_the_memory(kube: Kube, cluster: FakeCluster, kubelets: Kubelets) -> None:
    size = 40 * 1024 * 1024
    cluster.log = lambda _seen: (b"x" * 65536 for _ in range(size // 65536))
    (log,) = kube.open_logs([REQUEST])
    tracemalloc.start()
    (line,) = log.lines()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert line.text.endswith(f"… and {size - LONGEST} bytes more")
    assert peak < 8 * 1024 * 1024
    assert kubelets.most == 0


@pytest.mark.parametrize(("status", "kind"), [(403, Forbidden), (404, NotFound), (500, ApiFailed)])
def test_a_refusal_is_told_in_our_words(kube: Kube, cluster: FakeCluster, status: int, kind: type[Exception]) -> None:
    cluster.faults.append(Fault(pattern="/log$", status=status, message="no"))
    (log,) = kube.open_logs([REQUEST])
    with pytest.raises(kind, match="no"):
        list(log.lines())
    assert kube.requests == 1


def test_a_busy_server_is_asked_again(kube: Kube, cluster: FakeCluster, kubelets: Kubelets) -> None:
    kubelets.write("cilium-aaaaa", "cilium-agent", "2026-01-02T03:04:05Z", "one")
    cluster.faults.append(Fault(pattern="/log$", status=429, times=1))
    (log,) = kube.open_logs([REQUEST])
    assert [line.text for line in log.lines()] == ["one"]


def test_streams_take_no_slot_from_other_requests(kube: Kube, cluster: FakeCluster, kubelets: Kubelets) -> None:
    requests = []
    for number in range(40):
        cluster.add(objects.pod(f"cilium-{number:05}"))
        kubelets.write(f"cilium-{number:05}", "cilium-agent", "2026-01-02T03:04:05Z", "one")
        requests.append(
            LogRequest(namespace="kube-system", pod=f"cilium-{number:05}", container="cilium-agent", follow=True)
        )
    streams = [log.lines() for log in kube.open_logs(requests)]
    assert [next(stream).text for stream in streams] == ["one"] * 40
    assert kubelets.open == 40, "all at once, more than the pool of other requests has places"
    assert kube.version() == "v1.30.0"
