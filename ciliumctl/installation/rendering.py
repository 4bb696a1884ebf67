"""The manifest of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from ciliumctl.installation.plan import Means, Plan


def render(plan: Plan, means: Means, *, kube_version: str, api_versions: Sequence[str] = ()) -> str:
    """The manifest as text, without asking the cluster."""
    return means.helm.render(
        plan.wanted.release,
        str(plan.chart.path),
        plan.inputs,
        namespace=plan.wanted.namespace,
        kube_version=kube_version,
        api_versions=api_versions,
    )
