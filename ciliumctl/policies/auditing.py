"""Policy audit mode: endpoints that say what they would drop, and let it through.

It is a switch of each endpoint in its agent (`cilium-dbg endpoint config ID PolicyAuditMode=Enabled`), and gone with
the pod, or with a restart of the agent. The switch for all is the Helm value `policyAuditMode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from ciliumctl import agents
from ciliumctl.clients.kube import CONFIG_MAPS, Kube, dig
from ciliumctl.errors import ApiFailed, CiliumctlError, NotFound, Partial
from ciliumctl.parallel import gather
from ciliumctl.policies import collecting, observing
from ciliumctl.policies.model import Party, Passage, State

_OPTION = "PolicyAuditMode"
#: Of what was let through: the newest of each endpoint.
_LAST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Traffic that a policy would have dropped, and how often it was seen."""

    direction: str
    source: str
    destination: str
    port: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A pod's endpoint in its agent. `audit` is its switch; `passed` what it let through, or `unseen` why not."""

    namespace: str
    pod: str
    node: str
    id: int
    audit: bool
    enforcing: str = ""
    passed: tuple[Passed, ...] = ()
    unseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Endpoints and their switches. `everywhere` is that of all of them; `failed` are nodes, with the reason."""

    kind: ClassVar[str] = "PolicyAudit"

    everywhere: bool
    endpoints: tuple[Endpoint, ...]
    changed: tuple[str, ...] = ()
    failed: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Always: what failed is an error beside it."""
        return True

    @property
    def names(self) -> list[str]:
        """For `-o name`: the pods in audit mode."""
        return [f"pod/{one.namespace}/{one.pod}" for one in self.endpoints if one.audit]


def status(kube: Kube, namespace: str, nodes: Iterable[str] = ()) -> Audit:
    """The switches of all endpoints, or of those on some nodes. Two requests, and one exec a node.

    `namespace` is Cilium's.
    """
    found = agents.find(kube, namespace, nodes=tuple(nodes))
    answers = gather([partial(_endpoints, kube, agent) for agent in found], limit=agents.AT_ONCE)
    listed: list[Endpoint] = []
    failed: dict[str, str] = {}
    for agent, answer in zip(found, answers, strict=True):
        if isinstance(answer, CiliumctlError):
            failed[agent.node] = answer.message
        elif isinstance(answer, Exception):
            raise answer
        else:
            listed += answer
    config = kube.find(CONFIG_MAPS, collecting.CONFIG, namespace)
    everywhere = dig(config, "data", "policy-audit-mode", default="false") == "true"
    return Audit(everywhere=everywhere, endpoints=tuple(listed), failed=failed)


def _endpoints(kube: Kube, agent: agents.Agent) -> list[Endpoint]:
    found: list[dict[str, Any]] = agents.ask_json(kube, agent, ["endpoint", "list"])
    return [one for entry in found if (one := _endpoint(entry, agent.node)) is not None]


def _endpoint(entry: Mapping[str, Any], node: str) -> Endpoint | None:
    """One of `cilium-dbg endpoint list`; `None` for what is no pod (the node itself, the health check)."""
    identifiers: Mapping[str, Any] = dig(entry, "status", "external-identifiers", default={})
    place, name = str(identifiers.get("k8s-namespace", "")), str(identifiers.get("k8s-pod-name", ""))
    if not place or not name:
        return None
    switch = str(dig(entry, "status", "realized", "options", _OPTION) or dig(entry, "spec", "options", _OPTION) or "")
    return Endpoint(
        namespace=place,
        pod=name,
        node=node,
        id=int(entry.get("id", 0)),
        audit=switch == "Enabled",
        enforcing=dig(entry, "status", "policy", "realized", "policy-enabled", default=""),
    )


def aware(kube: Kube, namespace: str, state: State, said: Iterable[tuple[Party, Party, Passage]]) -> State:
    """A state that knows the audit mode of the pods whose policies deny one of these connections.

    Nothing is asked where none is denied; otherwise as `status` of the nodes of these pods. `namespace` is Cilium's.
    A pod of which no agent tells is among the state's `untold`.
    """
    ends = [end for source, target, one in said for end in ((source, one.egress), (target, one.ingress))]
    pods = {(one.namespace, one.name): one for one, found in ends if found.answer == "denied" and one.kind == "pod"}
    nodes = {one.node for one in pods.values() if one.node}
    if not nodes:
        return state
    try:
        found = status(kube, namespace, nodes)
    except CiliumctlError as error:
        return replace(state, untold=dict.fromkeys(pods, error.message))
    modes = {(one.namespace, one.pod): one.audit for one in found.endpoints}
    untold = {
        key: found.failed.get(pod.node, "none has an endpoint for it") for key, pod in pods.items() if key not in modes
    }
    return replace(state, audited=frozenset(pod for pod, audit in modes.items() if audit), untold=untold)


def chosen(found: Audit, pods: Sequence[tuple[str, str]]) -> tuple[Endpoint, ...]:
    """The endpoints of pods (namespace, name).

    Raises `NotFound` for one that has none, `ApiFailed` when no agent told.
    """
    by_pod = {(one.namespace, one.pod): one for one in found.endpoints}
    for place, name in pods:
        if (place, name) not in by_pod:
            if found.failed:
                said = "; ".join(found.failed.values())
                raise ApiFailed(f"no agent told of pod `{place}/{name}`: {said}", hint="`ciliumctl status`")
            raise NotFound(
                f"no agent has an endpoint for pod `{place}/{name}`",
                hint="a pod that started before Cilium has none; `ciliumctl status` counts them",
            )
    return tuple(by_pod[pod] for pod in pods)


def switch(kube: Kube, namespace: str, before: Audit, wanted: Sequence[Endpoint], *, on: bool) -> Audit:
    """Switch endpoints of `before`; those that are so already stay. One exec each, and one request for the agents.

    Raises:
        Partial: some could not be switched; the result says which.
    """
    todo = [one for one in wanted if one.audit != on]
    found = (
        {agent.node: agent for agent in agents.find(kube, namespace, nodes={one.node for one in todo})} if todo else {}
    )
    word = f"{_OPTION}={'Enabled' if on else 'Disabled'}"
    calls: list[Callable[[], str]] = [
        partial(agents.ask, kube, found[one.node], ["endpoint", "config", str(one.id), word])
        for one in todo
        if one.node in found
    ]
    asked = [one for one in todo if one.node in found]
    failed = {one.node: "no agent runs there now" for one in todo if one.node not in found}
    changed: list[str] = []
    for one, answer in zip(asked, gather(calls, limit=agents.AT_ONCE), strict=True):
        if isinstance(answer, CiliumctlError):
            failed[one.node] = answer.message
        elif isinstance(answer, Exception):
            raise answer
        else:
            changed.append(f"{one.namespace}/{one.pod}")
    now = tuple(replace(one, audit=on) if f"{one.namespace}/{one.pod}" in changed else one for one in wanted)
    result = Audit(everywhere=before.everywhere, endpoints=now, changed=tuple(changed), failed=failed)
    if failed:
        raise partial_error(result)
    return result


def partial_error(result: Audit) -> Partial:
    """What to say of a result of which some nodes are missing."""
    said = "; ".join(f"{node}: {why}" for node, why in sorted(result.failed.items()))
    error = Partial(f"some agents did not answer: {said}", hint="`ciliumctl status` shows the agents")
    error.result = result
    return error


def watched(kube: Kube, namespace: str, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints with what they let through that their policies would have dropped, as Hubble saw it.

    One request, and one exec a node. `unseen` says why Hubble does not tell.
    """
    by_node: dict[str, list[Endpoint]] = {}
    for one in endpoints:
        by_node.setdefault(one.node, []).append(one)
    if not by_node:
        return ()
    found = {agent.node: agent for agent in agents.find(kube, namespace, nodes=by_node)}
    calls = [partial(_flows, kube, found.get(node), mine) for node, mine in by_node.items()]
    flows: dict[str, list[Mapping[str, Any]] | CiliumctlError] = {}
    for node, answer in zip(by_node, gather(calls, limit=agents.AT_ONCE), strict=True):
        if isinstance(answer, Exception) and not isinstance(answer, CiliumctlError):
            raise answer
        flows[node] = answer
    return tuple(_told(one, flows[one.node]) for one in endpoints)


def _flows(kube: Kube, agent: agents.Agent | None, endpoints: Sequence[Endpoint]) -> list[Mapping[str, Any]]:
    """What a node's Hubble has of these endpoints. Raises `CiliumctlError`."""
    if agent is None:
        raise NotFound(f"no agent runs on node `{endpoints[0].node}` now")
    filters = ["--verdict", "AUDIT", "--last", str(_LAST * len(endpoints))]
    for one in endpoints:
        filters += ["--pod", f"{one.namespace}/{one.pod}"]
    return observing.flows(kube, agent, filters)


def _told(endpoint: Endpoint, flows: list[Mapping[str, Any]] | CiliumctlError) -> Endpoint:
    if isinstance(flows, CiliumctlError):
        return replace(endpoint, unseen=flows.message)
    counted = Counter(_seen(flow) for flow in flows if _is_of(endpoint, flow))
    passed = tuple(
        Passed(direction=direction, source=source, destination=destination, port=port, count=count)
        for (direction, source, destination, port), count in counted.most_common()
    )
    return replace(endpoint, passed=passed)


def _is_of(endpoint: Endpoint, flow: Mapping[str, Any]) -> bool:
    """Whether it is this endpoint whose policies were asked: the source's on the way out, else the destination's."""
    side = "source" if str(flow.get("traffic_direction", "")).upper() == "EGRESS" else "destination"
    return _end(flow, side) == f"{endpoint.namespace}/{endpoint.pod}"


def _seen(flow: Mapping[str, Any]) -> tuple[str, str, str, str]:
    layer: Mapping[str, Any] = dig(flow, "l4", default={})
    protocol = next(iter(layer), "")
    body: Mapping[str, Any] = dig(layer, protocol, default={})
    port = f"{protocol}/{body['destination_port']}" if "destination_port" in body else str(protocol)
    direction = str(flow.get("traffic_direction", "")).lower()
    return direction, _end(flow, "source"), _end(flow, "destination"), port


def _end(flow: Mapping[str, Any], side: str) -> str:
    end: Mapping[str, Any] = dig(flow, side, default={})
    if end.get("pod_name"):
        return f"{end.get('namespace', '')}/{end['pod_name']}"
    return str(dig(flow, "IP", side) or "?")
