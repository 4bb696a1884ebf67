"""Measure from pod to pod: one on each node, each asks all others, with the prober of `connectivity perf`."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ciliumctl.clients.kube import NAMESPACES, NODES, PODS, Kube
from ciliumctl.connectivity import deploy, looking, session
from ciliumctl.connectivity.bed import Settings, namespace
from ciliumctl.connectivity.model import Node, Pod
from ciliumctl.connectivity.perf import bed as beds
from ciliumctl.connectivity.perf.measure import latency
from ciliumctl.errors import CiliumctlError, Forbidden, NotFound, OutsideError, Refused, Unauthorized
from ciliumctl.latency.model import Latency, Pair, Tally, Way
from ciliumctl.parallel import gather, gather_all
from ciliumctl.report import Reporter

#: Seconds for one pair beside measuring: a program is started, and may wait for an answer that does not come.
_SLACK = 8
_MARK = re.compile(r"^@@ (\S+)$", re.MULTILINE)
_WAY: Way = "pod-tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How to measure: on `nodes`, or on the first `most` of those that take pods; `seconds` for each pair."""

    owner: str
    nodes: tuple[str, ...] = ()
    most: int = 10
    seconds: float = 0.5
    worst: int = 10
    settings: Settings = field(default_factory=Settings)


def measure(kube: Kube, wanted: Measured, report: Reporter) -> Latency:
    """Make the pods, measure every pair, clean up: always, whatever ends it. One exec a node, all at once.

    Each node asks the others in an order of its own, so that every node is asked by one at a time.

    Raises:
        NotFound, Refused: fewer than two nodes. Forbidden, OutsideError, TimedOut: nothing could be measured.
    """
    wanted.settings.check()
    began = time.monotonic()
    able = looking.able(list(kube.objects(NODES)), wanted.settings)
    nodes = _chosen(able, wanted)
    deploy.check_rights(kube)
    run = session.new(wanted.owner, "latency")
    place = run.namespace(0)
    report.resume = "`ciliumctl connectivity cleanup` removes what is left"
    try:
        pods = _make(kube, run, nodes, wanted, report)
        tally = _measured(kube, pods, wanted, report)
    except BaseException:
        deploy.take_away(kube, [place], report)
        raise
    left = deploy.take_away(kube, [place], report)
    found = tally.result(context=kube.context, how="pods", seconds=time.monotonic() - began)
    return replace(found, left=left, left_out=0 if wanted.nodes else len(able) - len(nodes))


def _chosen(able: Sequence[Node], wanted: Measured) -> list[Node]:
    named = {node.name: node for node in able}
    for name in wanted.nodes:
        if name not in named:
            raise NotFound(
                f"node `{name}` does not exist, is not ready, or takes no pods",
                hint="`kubectl get nodes` shows them; `--toleration KEY` lets the test use tainted nodes",
            )
    nodes = [named[name] for name in wanted.nodes] if wanted.nodes else list(able[: wanted.most])
    if len(nodes) < 2:
        raise Refused(
            "it takes two nodes that are ready and take pods to measure between nodes",
            hint="`kubectl get nodes` shows them; `--toleration KEY` lets the test use tainted nodes",
        )
    return nodes


def _make(kube: Kube, run: session.Run, nodes: Sequence[Node], wanted: Measured, report: Reporter) -> list[Pod]:
    place = run.namespace(0)
    with report.step("Preparing a pod on each node") as step:
        kube.create(NAMESPACES, namespace(place, run))
        manifests = [beds.answering(f"on-{n}", node.name, run, wanted.settings) for n, node in enumerate(nodes, 1)]
        gather_all([partial(kube.create, PODS, manifest, place) for manifest in manifests])
        try:
            ready = deploy.wait(kube, run, len(manifests), step)
        except OutsideError as error:
            error.hint = beds.HINT
            raise
        step.finish(f"{len(ready)} pods")
    by_name = {node.name: node for node in nodes}
    return [deploy.pod_of(one, by_name) for one in ready]


def _measured(kube: Kube, pods: Sequence[Pod], wanted: Measured, report: Reporter) -> Tally:
    family = 4 if all(4 in pod.addresses for pod in pods) else 6
    tally = Tally.of(_WAY, len(pods), wanted.worst)
    with report.step(f"Measuring {len(pods) * (len(pods) - 1)} pairs") as step:
        calls = [partial(_from, kube, pod, _others(pods, index), family, wanted) for index, pod in enumerate(pods)]
        for pod, told in zip(pods, gather(calls), strict=True):
            if isinstance(told, Forbidden | Unauthorized | OutsideError):
                raise told
            if isinstance(told, CiliumctlError):
                tally.silent(pod.node, told.message)
            elif isinstance(told, Exception):
                raise told
            else:
                tally.add(pod.node, "", told)
        step.finish(f"{tally.unreachable} do not get through" if tally.unreachable else "all get through")
    return tally


def _others(pods: Sequence[Pod], index: int) -> list[Pod]:
    """All others, beginning with the next one."""
    return [*pods[index + 1 :], *pods[:index]]


def _from(kube: Kube, pod: Pod, others: Sequence[Pod], family: int, wanted: Measured) -> list[Pair]:
    addresses = {other.addresses.get(family, ""): other.node for other in others}
    each = wanted.seconds + _SLACK
    prober = shlex.join(["timeout", f"{each:.0f}", *beds.PROBER, "ask"])
    script = f'for a in "$@"; do echo "@@ $a"; {prober} "$a" {beds.LATENCY} {wanted.seconds}; done; true'
    command = ["sh", "-c", script, "sh", *addresses]
    ran = kube.exec(pod.namespace, pod.name, command, container=beds.ANSWERS, timeout=each * len(others) + 10)
    if "@@" not in ran.text:
        said = ran.stderr.decode("utf-8", "replace").strip() or f"it ended with {ran.code}"
        raise OutsideError(f"the prober does not run in pod `{pod.name}`: {said.splitlines()[-1]}", hint=beds.HINT)
    return list(told(ran.text, pod.node, addresses))


def told(text: str, source: str, nodes: Mapping[str, str]) -> Iterator[Pair]:
    """What the prober said of each address, as pairs: the median in milliseconds, or why there is none."""
    parts = _MARK.split(text)[1:]
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    for address, target in nodes.items():
        try:
            data = json.loads(said.get(address, ""))
            problem = str(data.get("error", ""))
            times: dict[str, float] = {} if problem else {_WAY: latency(data).p50 / 1000}
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            problem, times = "no answer in time", {}
        yield Pair(source=source, target=target, times=times, problem=problem and f"TCP to {address}: {problem}")
