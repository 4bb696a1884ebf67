"""Try every way to the application: from pod to pod, by its service, through nodes, from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ciliumctl import services
from ciliumctl.clients.kube import PODS, Kube, Manifest, conditions_of, dig, name_of
from ciliumctl.clients.web import Web
from ciliumctl.demo import inside, ours, reaching
from ciliumctl.demo.model import NAME, SELECTOR, DemoTest, Path
from ciliumctl.errors import CiliumctlError, NotFound
from ciliumctl.parallel import gather_all
from ciliumctl.report import Reporter

HERE = "here"
#: So many pods ask, on different nodes where there are some; so many of the others are asked by each.
_SOURCES, _TARGETS = 3, 3
#: Nodes whose port is asked from each pod, and from here.
_FROM_PODS, _FROM_HERE = 5, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pod:
    name: str
    node: str
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One address to ask, from a pod or from here."""

    name: str
    target: str
    url: str


def run(kube: Kube, web: Web, namespace: str, report: Reporter) -> DemoTest:
    """Try every way there is. Four requests, an exec in up to three pods, a forwarded connection.

    Raises:
        NotFound: the application is not there, or none of its pods is ready. ForeignOwner: that one is not ours.
    """
    service = ours.service(kube, namespace)
    pods = [_pod(one) for one in kube.objects(PODS, namespace, labels=SELECTOR) if _ready(one)]
    if not pods:
        raise NotFound(
            f"no pod of the demo application is ready in namespace `{namespace}`",
            hint=f"`ciliumctl demo deploy -n {namespace}` waits for them, and says why when they do not come",
        )
    nodes = reaching.nodes(kube) if ours.node_port(service) else []
    with report.step("Asking the demo application") as step:
        sources = _spread(pods)[:_SOURCES]
        asked = gather_all([partial(_from_pod, kube, namespace, one, pods, service, nodes) for one in sources])
        paths = [path for found in asked for path in found]
        paths += _from_here(kube, web, service, nodes, inside_answers=_through_nodes(paths))
        result = DemoTest(namespace=namespace, paths=tuple(paths), notes=tuple(_notes(pods, nodes)))
        failed = len(result.failed)
        step.finish(
            f"{failed} of {len(paths)} ways do not lead to it" if failed else f"{len(paths)} ways",
            outcome="failed" if failed else "done",
        )
    return result


def _ready(pod: Manifest) -> bool:
    gone = dig(pod, "metadata", "deletionTimestamp", default="")
    return dig(conditions_of(pod).get("Ready"), "status", default="") == "True" and not gone


def _pod(pod: Manifest) -> _Pod:
    ips: list[Manifest] = dig(pod, "status", "podIPs", default=[])
    return _Pod(
        name=name_of(pod),
        node=dig(pod, "spec", "nodeName", default=""),
        addresses=tuple(str(one.get("ip", "")) for one in ips),
        port=dig(pod, "spec", "containers", 0, "ports", 0, "containerPort", default=80),
    )


def _spread(pods: Sequence[_Pod]) -> list[_Pod]:
    """One pod of each node first."""
    seen: dict[str, int] = {}
    ranked = []
    for pod in pods:
        seen[pod.node] = rank = seen.get(pod.node, 0) + 1
        ranked.append((rank, pod.node, pod.name, pod))
    return [pod for _rank, _node, _name, pod in sorted(ranked, key=lambda one: one[:3])]


def _from_pod(
    kube: Kube,
    namespace: str,
    source: _Pod,
    pods: Sequence[_Pod],
    service: Manifest,
    nodes: Sequence[reaching.NodeAddress],
) -> list[Path]:
    others = [pod for pod in _spread(pods) if pod.name != source.name]
    # Those of other nodes first: that is where a network breaks.
    others.sort(key=lambda pod: pod.node == source.node)
    asks = [
        _Ask(name="pod to pod", target=f"{pod.name} ({address})", url=reaching.http(address, pod.port))
        for pod in others[:_TARGETS]
        for address in pod.addresses
    ]
    clusters: list[str] = dig(service, "spec", "clusterIPs", default=[])
    asks += [
        _Ask(name="pod to service", target=f"service {NAME} ({address})", url=reaching.http(address))
        for address in clusters
        if address != "None"
    ]
    name = f"{NAME}.{namespace}.svc"
    asks.append(_Ask(name="pod to service by name", target=name, url=reaching.http(name)))
    port = ours.node_port(service)
    # Its own node and others.
    near = sorted(nodes, key=lambda node: node.node != source.node)[:_FROM_PODS]
    asks += [
        _Ask(
            name="pod to node port", target=f"{one.node} ({one.internal}:{port})", url=reaching.http(one.internal, port)
        )
        for one in near
        if one.internal
    ]
    heard = inside.ask(kube, namespace, source.name, [one.url for one in asks])
    return [
        Path(
            name=one.name,
            source=f"{source.name} on {source.node}",
            target=one.target,
            outcome="skipped" if answer.answered is None else "passed" if answer.answered else "failed",
            said=answer.said,
        )
        for one, answer in zip(asks, heard, strict=True)
    ]


def _through_nodes(paths: Sequence[Path]) -> bool:
    """Whether node ports work for pods, from node to node too."""
    through = [path.outcome == "passed" for path in paths if path.name == "pod to node port"]
    return bool(through) and all(through)


def _from_here(
    kube: Kube, web: Web, service: Manifest, nodes: Sequence[reaching.NodeAddress], *, inside_answers: bool
) -> list[Path]:
    port = ours.node_port(service)
    through = [
        _Ask(name="here to node port", target=f"{one.node} ({one.outer}:{port})", url=reaching.http(one.outer, port))
        for one in nodes[:_FROM_HERE]
    ]
    paths = _asked(web, through)
    if paths and all(path.outcome == "failed" for path in paths) and inside_answers:
        # Clouds and kind on a laptop keep their nodes' addresses to themselves: that is not the cluster's network.
        said = "this machine reaches none of the nodes' addresses; pods do"
        paths = [replace(path, outcome="skipped", said=said) for path in paths]
    if dig(service, "spec", "type", default="") == "LoadBalancer":
        paths += _balanced(web, service)
    return [*paths, _forwarded(kube, web, dig(service, "metadata", "namespace", default=""))]


def _asked(web: Web, asks: Sequence[_Ask]) -> list[Path]:
    unreachable = web.unreachable([one.url for one in asks], seconds=reaching.PATIENCE)
    if unreachable:
        unreachable = web.unreachable(list(unreachable), seconds=reaching.PATIENCE)
    return [
        Path(
            name=one.name,
            source=HERE,
            target=one.target,
            outcome="failed" if one.url in unreachable else "passed",
            said=unreachable[one.url].message if one.url in unreachable else "",
        )
        for one in asks
    ]


def _balanced(web: Web, service: Manifest) -> list[Path]:
    name = "here to load balancer"
    addresses = reaching.balanced(service)
    if not addresses:
        said = "no address was given: nothing in this cluster hands them out, or not yet"
        return [Path(name=name, source=HERE, target=f"service {NAME}", outcome="failed", said=said)]
    return _asked(web, [_Ask(name=name, target=address, url=reaching.http(address)) for address in addresses])


def _forwarded(kube: Kube, web: Web, namespace: str) -> Path:
    """Through the API server and the kubelet, which needs no network between here and the nodes."""
    name, target = "here by port-forward", f"service {NAME}"
    problems: list[str] = []
    try:
        with kube.forward(
            lambda: services.target(kube, namespace, NAME), address="127.0.0.1", port=0, say=problems.append
        ) as forwarder:
            (path,) = _asked(web, [_Ask(name=name, target=target, url=f"http://127.0.0.1:{forwarder.port}")])
    except CiliumctlError as error:
        return Path(name=name, source=HERE, target=target, outcome="failed", said=error.message)
    return replace(path, said=problems[-1]) if problems and path.outcome == "failed" else path


def _notes(pods: Sequence[_Pod], nodes: Sequence[reaching.NodeAddress]) -> list[str]:
    found = []
    if len({pod.node for pod in pods}) == 1:
        found.append("all pods are on one node: nothing went from pod to pod over the network between nodes")
    if len(nodes) > _FROM_HERE:
        found.append(f"the port of {_FROM_HERE} of {len(nodes)} nodes was asked")
    return found
