"""Judge identities, policies, the nodes and the way between them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.paths.facts import Entry, PodFacts, Scene
from ciliumctl.paths.model import Stage, fine, found, skipped
from ciliumctl.policies import Direction, Verdict

_CODES: dict[Direction, str] = {"egress": "501", "ingress": "502"}
_WORST = ("denied", "unknown", "audited", "allowed")


def identity(scene: Scene) -> Stage:
    """Cilium manages the pods at both ends, and each node knows the other's identity."""
    if scene.config is None:
        return skipped("identity", "there is no Cilium here")
    if scene.endpoints is None:
        return skipped("identity", scene.failed.get("endpoints", "the cluster has no CiliumEndpoints"))
    pods = [pod for pod in (scene.source_pod, scene.target_pod) if pod is not None and not pod.host_network]
    if not pods:
        return skipped("identity", "neither end is a pod of the pod network")
    lines: list[str] = []
    for pod in pods:
        one = scene.endpoints.get(pod.key)
        if one is None:
            said = f"pod {pod.namespace}/{pod.name} has no CiliumEndpoint"
            hint = f"`kubectl delete pod -n {pod.namespace} {pod.name}`, when something makes it anew"
            return found("identity", "401", said, *lines, hint=hint, outcome="warn")
        lines.append(f"pod {pod.namespace}/{pod.name}: identity {one.identity}, endpoint {one.id} on {pod.node}")
        lines += [f"identity {one.identity} is {', '.join(one.labels)}"] if one.labels else []
        if one.state not in {"", "ready"}:
            return found("identity", "402", f"the endpoint of pod {pod.namespace}/{pod.name} is `{one.state}`", *lines)
    return _seen(scene, pods, lines)


def _seen(scene: Scene, pods: Sequence[PodFacts], lines: list[str]) -> Stage:
    """Whether each node's ipcache has the other end's identity."""
    seen_from = {scene.source.node: scene.target_pod, scene.target_node: scene.source_pod}
    for node, pod in seen_from.items():
        agent = scene.agents.get(node)
        one = (scene.endpoints or {}).get(pod.key) if pod in pods and pod is not None else None
        if agent is None or one is None or agent.identity is None or pod is None:
            continue
        lines.append(f"{node} has identity {agent.identity} for {', '.join(pod.addresses)}")
        if agent.identity != one.identity:
            said = (
                f"{node} has identity {agent.identity} for pod {pod.namespace}/{pod.name}, whose own is {one.identity}"
            )
            return found("identity", "403", said, *lines)
    return fine("identity", "both ends are known to Cilium" if len(pods) > 1 else "the pod is known to Cilium", *lines)


def egress(scene: Scene) -> Stage:
    """Policies let it out of the source."""
    return _policy(scene, "egress")


def ingress(scene: Scene) -> Stage:
    """Policies let it into the destination."""
    return _policy(scene, "ingress")


def _policy(scene: Scene, direction: Direction) -> Stage:
    if "policies" in scene.failed:
        return skipped(direction, f"policies cannot be read: {scene.failed['policies']}")
    said = {name: getattr(one, direction) for name, one in scene.policies.items()}
    if not said:
        return skipped(direction, "there is nobody to decide about")
    verdicts: list[Verdict] = sorted(said.values(), key=lambda one: _WORST.index(one.answer))
    worst, best = verdicts[0], verdicts[-1]
    lines = [f"{one.effect}: {one}" for one in worst.rules] + list(worst.limits)
    names = [name for name, one in said.items() if one.answer == "denied"]
    agent = _agents_word(scene, direction)
    lines += [agent] if agent else []
    if best.answer == "denied":
        return found(direction, _CODES[direction], worst.why, *lines, hint=_hint(scene, direction))
    if names:
        message = f"{len(names)} of {len(said)} backends are denied: {worst.why}"
        return found(direction, _CODES[direction], message, *lines, *names, outcome="warn")
    if agent.endswith(_DENIES):
        return found(
            direction, "504", f"objects allow it ({worst.why}), and the agent does not", *lines, outcome="warn"
        )
    if worst.answer == "unknown":
        return found(direction, "503", worst.why, *lines, outcome="warn")
    return fine(direction, worst.why, *lines)


def _hint(scene: Scene, direction: Direction) -> str:
    pod = scene.source_pod if direction == "egress" else scene.target_pod
    if pod is None:
        return ""
    return f"`ciliumctl policy explain pod/{pod.namespace}/{pod.name}` shows all that holds for it"


_DENIES = "has no entry that allows it"


def _agents_word(scene: Scene, direction: Direction) -> str:
    """What the policy map of the pod says, where both identities are known; empty otherwise."""
    mine, other = (
        (scene.source_pod, scene.target_pod) if direction == "egress" else (scene.target_pod, scene.source_pod)
    )
    if mine is None or other is None or scene.endpoints is None:
        return ""
    agent, peer = scene.agents.get(mine.node), scene.endpoints.get(other.key)
    if agent is None or agent.policy is None or peer is None or not scene.target_port:
        return ""
    # Of two ends on one node only the source's map was read.
    if direction == "ingress" and scene.source.node == mine.node:
        return ""
    allows = enforced(agent.policy, direction, peer.identity, scene.target_port, scene.protocol)
    verdict = "allows it" if allows else _DENIES
    return f"the policy map of the endpoint on {agent.node} {verdict}"


def enforced(entries: Sequence[Entry], direction: str, peer: int, port: int, protocol: str) -> bool:
    """What a policy map lets through: a row that denies wins; without any row for a direction nothing is enforced."""
    rows = [one for one in entries if one.direction == direction]
    fitting = [one for one in rows if _fits(one, peer, port, protocol)]
    if any(not one.allows for one in fitting):
        return False
    return bool(fitting) or not rows


def _fits(one: Entry, peer: int, port: int, protocol: str) -> bool:
    ports = one.port == 0 or one.port <= port <= max(one.last, one.port)
    return one.identity in {0, peer} and ports and one.protocol in {"ANY", protocol}


def nodes(scene: Scene) -> Stage:
    """Both nodes are ready, and so are their agents."""
    if "nodes" in scene.failed:
        return skipped("nodes", f"nodes cannot be read: {scene.failed['nodes']}")
    if not scene.nodes:
        return skipped("nodes", "neither end is on a node of the cluster")
    for one in scene.nodes.values():
        if not one.ready:
            return found("nodes", "601", f"node {one.name} is not ready: {one.trouble}", outcome="warn")
    for node, agent in scene.agents.items():
        if agent.problem:
            return found("nodes", "602", f"{node}: {agent.problem}", outcome="warn")
    if scene.config is not None and "agents" not in scene.failed:
        for name in scene.nodes:
            if name not in scene.agents:
                return found("nodes", "602", f"no agent of Cilium runs on {name}", outcome="warn")
    lacking = [f"{agent.node}, {part}" for agent in scene.agents.values() for part in agent.lacking]
    named = " and ".join(scene.nodes)
    return fine("nodes", f"{named} {'is' if len(scene.nodes) == 1 else 'are'} ready", *lacking)


def routing(scene: Scene) -> Stage:
    """The agents' probes get through between the nodes, and each leads to the other."""
    pair = scene.both_nodes
    if pair is None:
        same = scene.source.node and scene.source.node == scene.target_node
        reason = f"both ends are on {scene.source.node}" if same else "one end is not on a node of the cluster"
        return skipped("routing", reason)
    here, there = pair
    agents = [scene.agents[name] for name in pair if name in scene.agents]
    lines = _settings(scene)
    lines += [f"MTU of {one.node} towards the other node: {one.mtu}" for one in agents if one.mtu is not None]
    for one in agents:
        if one.peer:
            other = there if one.node == here else here
            return found("routing", "603", f"{one.node} does not reach {other}: {one.peer}", *lines)
    wrong = _wrong_tunnel(scene, here, there)
    if wrong:
        return found("routing", "604", wrong, *lines)
    mtus = {one.mtu for one in agents if one.mtu is not None}
    if len(mtus) > 1:
        return found("routing", "605", f"{here} and {there} have different MTUs", *lines, outcome="warn")
    if all(one.peer is None for one in agents) and not mtus:
        return skipped("routing", _unknown(scene, here, there), *lines)
    probes = (
        "health probes get through both ways" if all(one.peer == "" for one in agents) else "nothing speaks against it"
    )
    return fine("routing", f"from {here} to {there}: {probes}", *lines)


def _unknown(scene: Scene, here: str, there: str) -> str:
    if scene.config is None:
        return f"from {here} to {there}: there is no Cilium whose agents could tell"
    return f"from {here} to {there}: the agents tell nothing of it"


def _settings(scene: Scene) -> list[str]:
    config = scene.config or {}
    mode = config.get("routing-mode") or config.get("tunnel", "")
    if mode == "tunnel":
        mode = f"tunnel ({config.get('tunnel-protocol', 'vxlan')})"
    encryption = [name for name in ("wireguard", "ipsec") if config.get(f"enable-{name}") == "true"]
    found_ = [f"routing: {mode}"] if mode else []
    if config:
        found_.append(f"encryption: {', '.join(encryption) or 'none'}")
    outside = scene.destination.kind == "outside"
    return [*found_, *([f"masquerading: {config.get('enable-ipv4-masquerade', 'true')}"] if config and outside else [])]


def _wrong_tunnel(scene: Scene, here: str, there: str) -> str:
    """Where the source's ipcache leads, when that is not the destination's node."""
    agent = scene.agents.get(here)
    pod = scene.target_pod
    if agent is None or agent.identity is None or pod is None or pod.host_network:
        return ""
    if not agent.identity:
        return f"the ipcache of {here} has no entry for {scene.target_address}"
    node = scene.nodes.get(there)
    if agent.tunnel and node is not None and node.address and agent.tunnel != node.address:
        same = (":" in agent.tunnel) == (":" in node.address)
        if same:
            return f"the ipcache of {here} leads to {agent.tunnel}, and {there} is {node.address}"
    return ""
