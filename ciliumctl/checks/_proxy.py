"""kube-proxy: what the cluster has, and what the values make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ciliumctl import flavour
from ciliumctl.checks._scene import Scene


def replaced(values: Mapping[str, Any]) -> bool:
    """Whether Cilium takes kube-proxy's whole place. Charts before 1.14 have words for it."""
    return str(values.get("kubeProxyReplacement")).lower() in {"true", "strict"}


def conclusion(scene: Scene) -> flavour.Conclusion:
    """What the detection concludes from the cluster."""
    found = flavour.detect(scene.facts, chart_version=scene.target.version)
    return next(one for one in found.conclusions if one.subject == "kube-proxy")


def daemon_set(scene: Scene) -> str:
    """The DaemonSet of kube-proxy as an object of a finding; empty where it runs in another way."""
    found = sorted(name for name in scene.facts.daemon_sets if "kube-proxy" in name)
    return f"DaemonSet/kube-system/{found[0]}" if found else ""
