from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.change.nodes import View
from ciliumctl.change.progress import Told
from ciliumctl.report import Event, Reporter, StepProgress
from ciliumctl.status import Status
from ciliumctl.status.facts import Pod
from ciliumctl.status.verdict import Problem


def pod(node: str, *, ready: bool = True, state: str = "Running") -> Pod:
    return Pod(name=f"cilium-{node}", ready=ready, state=state, restarts=0, age="7s", address="", node=node)


def view(ready: Sequence[str], starting: Sequence[str] = (), old: Sequence[str] = (), *, desired: int = 0) -> View:
    return View(
        component="agent",
        settled=True,
        on_delete=False,
        new={
            **{node: pod(node) for node in ready},
            **{node: pod(node, ready=False, state="Init:0/6") for node in starting},
        },
        old={node: pod(node) for node in old},
        desired=desired or len(ready) + len(starting) + len(old),
    )


def status(*problems: Problem) -> Status:
    return Status(
        context="lab",
        namespace="kube-system",
        installed=True,
        healthy=not problems,
        version="1.16.19",
        release="cilium",
        revision=2,
        release_status="deployed",
        components=(),
        features={},
        nodes=(),
        simulated_nodes=0,
        networked_pods=None,
        unmanaged_pods=0,
        problems=problems,
    )


def said(looks: Sequence[View], *problems: Problem) -> tuple[list[str], list[StepProgress]]:
    """The lasting lines, each once, and what is redrawn."""
    events: list[Event] = []
    told = Told()
    with Reporter(events.append).step("Waiting") as step:
        for look in looks:
            told(step, [look], status(*problems))
    progress = [event for event in events if isinstance(event, StepProgress)]
    lasting = [event.detail for event in progress if not event.fleeting]
    return list(dict.fromkeys(lasting)), [event for event in progress if event.fleeting]


def test_a_small_cluster_has_a_line_for_each_node_and_none_twice() -> None:
    first = view([], old=["node-1", "node-2", "node-10"])
    second = view(["node-2"], ["node-1"], ["node-10"])
    third = view(["node-10", "node-2", "node-1"])
    lines, redrawn = said([first, second, second, third, third])
    assert lines == [
        "agent 0/3 new",
        "agent on node-2 is new and ready (1 of 3)",
        "agent on node-1 is new and ready (2 of 3)",
        "agent on node-10 is new and ready (3 of 3)",
    ]
    assert redrawn[1].detail == "agent 1/3 new"
    assert redrawn[1].lines == ("agent on node-1: 0/6 for 7s",)


def test_a_large_cluster_has_a_line_for_each_tenth_of_its_nodes() -> None:
    names = [f"node-{number}" for number in range(50)]
    lines, _redrawn = said([view(names[:count], old=names[count:], desired=50) for count in range(51)])
    assert len(lines) == 11
    assert lines[1] == "agent: 5 of 50 nodes are new and ready"
    assert lines[-1] == "agent: 50 of 50 nodes are new and ready"


def test_nodes_that_were_new_before_the_wait_are_not_told_as_news() -> None:
    lines, _redrawn = said([view(["a", "b"], old=["c"]), view(["a", "b", "c"])])
    assert lines == ["agent 2/3 new", "agent on c is new and ready (3 of 3)"]


def test_only_what_does_not_come_up_by_waiting_is_told_as_trouble() -> None:
    under_way = Problem(severity="error", component="agent", message="a rollout is under way")
    broken = Problem(
        severity="error", component="agent", message="1 not ready", details=("CrashLoopBackOff",), terminal=True
    )
    _lines, redrawn = said([view(["a"])], under_way, broken)
    assert redrawn[0].lines == ("1 not ready", "  CrashLoopBackOff")
