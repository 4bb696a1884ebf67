"""Try assertions: find the pods, put a guest beside each source, ask, compare with what policies say."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address

from ciliumctl import agents, guests, naming
from ciliumctl.clients.kube import ExecResult, Kube, Manifest, dig, name_of
from ciliumctl.errors import CiliumctlError, NotFound, UsageError
from ciliumctl.guests import How
from ciliumctl.naming import Named
from ciliumctl.parallel import gather
from ciliumctl.policies import auditing, collecting, observing, parties
from ciliumctl.policies.evaluating import passage
from ciliumctl.policies.model import Party, Passage, State
from ciliumctl.policies.trying import judging, probing
from ciliumctl.policies.trying.assertions import Assertion, End
from ciliumctl.policies.trying.result import Outcome, PolicyTest, Tried, planned
from ciliumctl.report import Reporter

# Sources that are asked at once: each has a guest of its own.
_AT_ONCE = 8
# Seconds that are looked at beside those of the attempt: not so many that a drop of an earlier one is taken for it.
_LATE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is tried.

    Attributes:
        namespace: Cilium's.
        own_tools: Run in the pods' own containers, which must have bash, and curl for HTTP, instead of a guest.
    """

    file: str
    assertions: tuple[Assertion, ...]
    namespace: str
    how: How
    own_tools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """An assertion with the pods that it is about: `address` is where it goes, `target` who that is."""

    assertion: Assertion
    source: Party
    target: Party
    address: str
    port: int


def rehearse(wanted: Wanted) -> PolicyTest:
    """Only what would be tried. Asks nobody."""
    return PolicyTest(file=wanted.file, tried=tuple(planned(one) for one in wanted.assertions), dry_run=True)


def run(kube: Kube, wanted: Wanted, report: Reporter) -> PolicyTest:
    """Try all of them: the sources at the same time, each one's assertions after one another.

    Ten requests for what policies say; two, and an exec a node, for the audit mode of pods whose policies deny
    something; up to three for each end and one for an address, a guest for each source (three requests and its start),
    one exec for each attempt. Guests end with it; a container beside others stays in its pod's `spec`, ended.

    Raises:
        NotFound: a pod, a workload or a service does not exist, or has no pod that runs.
        UsageError: an address is a service's, which policies never see; a workload selects no pods by labels.
    """
    with report.step("Reading policies and pods"):
        state = collecting.read(kube, wanted.namespace)
        cases = [_case(kube, state, one) for one in wanted.assertions]
        said = [(case.source, case.target, _said(state, case)) for case in cases]
        state = auditing.aware(kube, wanted.namespace, state, said)
    by_source: dict[tuple[str, str], list[_Case]] = {}
    for case in cases:
        by_source.setdefault((case.source.namespace, case.source.name), []).append(case)
    with report.step(f"Trying {len(cases)} connections from {len(by_source)} pods"):
        done: dict[str, Tried] = {}
        with guests.several(kube, report) as crew:
            calls = [partial(_from_one, kube, state, wanted, mine, crew) for mine in by_source.values()]
            answers = gather(calls, limit=_AT_ONCE)
        for mine, answer in zip(by_source.values(), answers, strict=True):
            if isinstance(answer, CiliumctlError):
                done |= {one.assertion.name: _broken(one.assertion, answer) for one in mine}
            elif isinstance(answer, Exception):
                raise answer
            else:
                done |= {one.name: one for one in answer}
    return PolicyTest(file=wanted.file, tried=tuple(done[one.name] for one in wanted.assertions))


def _broken(assertion: Assertion, error: CiliumctlError) -> Tried:
    return replace(planned(assertion), outcome="error", why=error.message)


def _from_one(kube: Kube, state: State, wanted: Wanted, cases: Sequence[_Case], crew: guests.Several) -> list[Tried]:
    """The assertions of one source. Its guest is one of the crew's, who end it."""
    source, container = cases[0].source, ""
    if not wanted.own_tools:
        container = crew.beside(source.namespace, source.name, wanted.how).container

    def execute(words: list[str], seconds: float) -> ExecResult:
        return kube.exec(source.namespace, source.name, words, container=container, timeout=seconds)

    return [_try(kube, state, wanted, case, execute) for case in cases]


def _try(kube: Kube, state: State, wanted: Wanted, case: _Case, execute: probing.Run) -> Tried:
    assertion, started = case.assertion, time.monotonic()
    said = _said(state, case)
    outcome: Outcome = "error"
    why, seen, dropped = "", "", None
    for _attempt in range(assertion.attempts):
        try:
            begun = time.monotonic()
            found = probing.probe(execute, assertion, case.address)
            dropped = _dropped(kube, wanted.namespace, case, found, said, begun)
        except CiliumctlError as error:
            outcome, why = "error", error.message
            continue
        seen = found.said
        outcome, why = judging.verdict(assertion, found, said, dropped)
        if outcome == "passed":
            break
    return Tried(
        name=assertion.name,
        asked=assertion.asked,
        expected=assertion.expect,
        outcome=outcome,
        seen=seen,
        policies=said.answer,
        why=why,
        rule=judging.rule_of(said),
        dropped=dropped or (),
        seconds=time.monotonic() - started,
    )


def _said(state: State, case: _Case) -> Passage:
    return passage(state, case.source, case.target, port=case.port, protocol=case.assertion.protocol)


def _dropped(
    kube: Kube, namespace: str, case: _Case, found: probing.Seen, said: Passage, begun: float
) -> tuple[str, ...] | None:
    """Hubble's reasons where they decide; `None` where they do not, or where Hubble does not tell of an unknown."""
    if found.through or found.refused or case.assertion.expect != "deny":
        return None
    since = math.ceil(time.monotonic() - begun) + _LATE
    if case.assertion.reason:
        return _drops(kube, namespace, case, since)
    if said.answer == "unknown":
        with suppress(CiliumctlError):
            return _drops(kube, namespace, case, since)
    return None


def _drops(kube: Kube, namespace: str, case: _Case, since: int) -> tuple[str, ...]:
    """Hubble's reasons for the drops of a connection in the last seconds, on the nodes of both ends.

    One request and one exec a node. Raises `ApiFailed` when Hubble does not answer.
    """
    target = case.target
    there = ["--to-ip", target.addresses[0]] if target.addresses else ["--to-fqdn", target.name]
    reasons: dict[str, None] = {}
    for node in dict.fromkeys(filter(None, (case.source.node, case.target.node))):
        agent = agents.on(kube, namespace, node)
        filters = ["--type", "drop", "--since", f"{since}s"]
        filters += ["--from-pod", f"{case.source.namespace}/{case.source.name}", *there, "--to-port", str(case.port)]
        for flow in observing.flows(kube, agent, filters):
            reason = dig(flow, "drop_reason_desc", default="")
            if reason:
                reasons[reason] = None
    return tuple(reasons)


# Who the ends are


def _case(kube: Kube, state: State, assertion: Assertion) -> _Case:
    source = _pod(kube, state, assertion.source)
    end, port = assertion.destination, assertion.port
    if end.host:
        try:
            target = parties.at(state, str(ip_address(end.host)))
        except ValueError:
            target = parties.named(end.host)
        service = collecting.service_at(kube, target.name) if target.kind == "outside" else ""
        if service:
            place, _slash, name = service.partition("/")
            raise UsageError(
                f"`{assertion.name}` goes to `{end.host}`, the address of service `{service}`",
                hint=f"write `k8sResource: {{kind: service, name: {name}, namespace: {place}}}`: policies see its pods",
            )
        return _Case(assertion=assertion, source=source, target=target, address=end.host, port=port)
    if end.kind == "service":
        target, address, behind = _service(kube, state, end, port)
        return _Case(assertion=assertion, source=source, target=target, address=address, port=behind)
    target = _pod(kube, state, end)
    return _Case(assertion=assertion, source=source, target=target, address=target.addresses[0], port=port)


def _pod(kube: Kube, state: State, end: End) -> Party:
    """The pod that is meant; of a workload's the best: see `naming.best`."""
    if end.kind == "pod":
        found = state.pods.get((end.namespace, end.name))
        if found is None or not found.addresses:
            raise NotFound(
                f"there is no pod `{end.name}` in namespace `{end.namespace}` that runs",
                hint=f"`kubectl get pods -n {end.namespace}` lists them",
            )
        return found
    return _best(kube, state, end)


def _best(kube: Kube, state: State, end: End) -> Party:
    named = _named(end)
    labels = naming.labels_of_pods(kube, named)
    pod = naming.best(kube, end.namespace, labels, f"`{named}` has no pod")
    found = state.pods.get((end.namespace, name_of(pod)))
    if found is None or not found.addresses or dig(pod, "status", "phase", default="") != "Running":
        raise NotFound(f"no pod of {end} runs", hint=f"`kubectl get pods -n {end.namespace} -l '{labels}'` shows them")
    return found


def _named(end: End) -> Named:
    return Named(word=end.kind, name=end.name, namespace=end.namespace)


def _service(kube: Kube, state: State, end: End, port: int) -> tuple[Party, str, int]:
    """A pod behind a service, the service's address, and the pod's port: policies see that one."""
    service = naming.find(kube, _named(end))
    address = dig(service, "spec", "clusterIP", default="")
    if address in {"", "None"}:
        raise NotFound(f"{end} has no address", hint="name the pods themselves")
    target = _best(kube, state, end)
    ports: list[Manifest] = dig(service, "spec", "ports", default=[])
    mine = next((one for one in ports if one.get("port") == port), None)
    if mine is None:
        known = ", ".join(str(one.get("port")) for one in ports)
        raise NotFound(f"{end} has no port {port}", hint=f"it has {known}")
    behind = mine.get("targetPort", port)
    if isinstance(behind, str) and not behind.isdigit():
        named = target.ports.get(behind.lower(), ())
        behind = named[0][1] if named else port
    return target, address, int(behind)
