"""Without kube-proxy the agents reach the API server at an address that is right on every node."""

from __future__ import annotations

from urllib.parse import urlsplit

from ciliumctl.checks import _proxy as proxy
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.flavour.facts import is_loopback

#: Where the API server answers on every node's own loopback address.
_ON_EVERY_NODE = {"talos": "7445", "rke2": "6443"}
_SET = "`--set k8sServiceHost=HOST --set k8sServicePort=PORT`"


def address_of(scene: Scene) -> tuple[str, str]:
    """`k8sServiceHost` and `k8sServicePort` of the values."""
    values = scene.target.values
    return str(values.get("k8sServiceHost") or ""), str(values.get("k8sServicePort") or "")


def known_addresses(scene: Scene) -> dict[str, str]:
    """Hosts that are known to be the API server, each with how we know."""
    found = {host: "EndpointSlice `default/kubernetes`" for host, _port in scene.facts.endpoints}
    for url, source in (
        (scene.host, "the kubeconfig"),
        (scene.facts.cluster_info, "ConfigMap `kube-public/cluster-info`"),
    ):
        host = urlsplit(url).hostname
        if host:
            found.setdefault(host, source)
    return found


def _look(scene: Scene) -> Verdict:
    host, port = address_of(scene)
    if not proxy.replaced(scene.target.values):
        return skipped("kube-proxy is not replaced")
    if host == "auto":
        return _auto(scene)
    if not host:
        if proxy.conclusion(scene).value == "runs and stays":
            return passed("not given, and kube-proxy runs still: the agents use the service `default/kubernetes`")
        return _bad("`k8sServiceHost` is empty, and without kube-proxy the service `default/kubernetes` does not work")
    return _given(scene, host, port)


def _given(scene: Scene, host: str, port: str) -> Verdict:
    if is_loopback(host):
        wanted = _ON_EVERY_NODE.get(scene.flavour)
        if wanted is None:
            return _bad(f"`k8sServiceHost` is {host}: the API server does not answer on every node's own address")
        if port != wanted:
            return _bad(f"{scene.flavour} answers on {host}:{wanted}, and `k8sServicePort` is {port or 'empty'}")
        return passed(f"{host}:{port}, where {scene.flavour} answers on every node")
    if not port:
        return _bad(f"`k8sServiceHost` is {host}, and `k8sServicePort` is empty")
    known = known_addresses(scene)
    if host in known:
        return passed(f"{host}:{port}", f"{host} is the API server's, says {known[host]}")
    if scene.endpoint_problem:
        text = f"{host}:{port} does not answer this machine: {scene.endpoint_problem}"
        return judged(
            [Finding(text=text, severity="warning")],
            good="",
            bad=text,
            hint=f"nodes may see another network than this machine; if it is wrong, {_SET}",
        )
    return passed(f"{host}:{port} answers this machine")


def _auto(scene: Scene) -> Verdict:
    if scene.facts.cluster_info:
        return passed(f"auto: {scene.facts.cluster_info}, from ConfigMap `kube-public/cluster-info`")
    return _bad("`k8sServiceHost` is auto, and there is no ConfigMap `kube-public/cluster-info` to take it from")


def _bad(text: str) -> Verdict:
    return judged([Finding(text=text)], good="", bad=text, hint=f"give one that every node reaches: {_SET}")


PROXY_ENDPOINT = Check(
    id="CIL-KPR-002",
    category="kube-proxy",
    title="without kube-proxy the agents know a way to the API server",
    why="The agent itself makes services work; until it does, it cannot use the service `default/kubernetes` and needs "
    "the API server's real address. A kubeconfig's 127.0.0.1 is this machine's, not the nodes'.",
    remedy="Give an address that every node reaches with `k8sServiceHost` and `k8sServicePort`: a load balancer's "
    "where there are several control planes. Talos answers on localhost:7445 and RKE2 on localhost:6443 of every node.",
    look=_look,
    reads=("endpoint_problem",),
)
