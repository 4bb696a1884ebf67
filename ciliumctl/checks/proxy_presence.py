"""kube-proxy is there, or replaced: not neither, and not both by accident."""

from __future__ import annotations

from ciliumctl.checks import _proxy as proxy
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    conclusion = proxy.conclusion(scene)
    runs, known = conclusion.value == "runs and stays", conclusion.value != "not known"
    replaced = proxy.replaced(scene.target.values)
    evidence = list(conclusion.evidence)
    if scene.simulated:
        return skipped("the nodes are simulated: no kube-proxy could run there")
    if not known:
        return skipped(f"whether kube-proxy runs is not known: {'; '.join(evidence)}")
    if not runs and not replaced:
        # As a program of the host, which an installation by hand may have, it could not be seen.
        seen = scene.flavour != "unknown"
        text = "kube-proxy is not there, and `kubeProxyReplacement` is off: services would have no address that works"
        if not seen:
            text = (
                "no kube-proxy is seen, and `kubeProxyReplacement` is off: unless it runs outside of pods, "
                "no service works"
            )
        return judged(
            [Finding(text=text, severity="error" if seen else "warning")],
            good="",
            bad=text,
            hint="`--set kubeProxyReplacement=true --set k8sServiceHost=HOST --set k8sServicePort=PORT`, with an "
            "address of the API server that every node reaches",
            evidence=evidence,
        )
    if runs and replaced:
        text = "kube-proxy runs, and Cilium replaces it too: both translate services"
        return judged(
            [Finding(text=text, severity="warning", object=proxy.daemon_set(scene))],
            good="",
            bad=text,
            hint="take kube-proxy away once Cilium is healthy, and its rules with it: "
            "`kubectl -n kube-system delete ds kube-proxy`, `kube-proxy --cleanup` on every node",
            evidence=evidence,
        )
    return passed("absent, and replaced by Cilium" if replaced else "runs, and stays", *evidence)


PROXY_PRESENCE = Check(
    id="CIL-KPR-001",
    category="kube-proxy",
    title="kube-proxy is there or replaced, not neither or both",
    why="Without kube-proxy and without Cilium's replacement no service works, the API server's own address in the "
    "cluster included: the agents cannot start. With both, rules of kube-proxy stay that nobody renews. k3s and "
    "MicroK8s run it inside their own process, RKE2 and GKE as static pods.",
    remedy="Set `kubeProxyReplacement` to what the cluster has: true without kube-proxy, false with it.",
    look=_look,
)
