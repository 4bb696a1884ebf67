"""Kubernetes' own test server `agnhost`, built from its Go module: what the pods of `connectivity test` run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ciliumctl.report import Reporter
from ciliumctl.tools import asking, catalogue, gobuild
from ciliumctl.wait import Deadline


def build(folder: Path, *, environ: Mapping[str, str], report: Reporter) -> Path:
    """The program, built once into `folder`; it is published only inside of images."""
    kubelet = catalogue.tool("kubelet")
    assert kubelet.module is not None
    module = replace(kubelet.module, variables={**kubelet.module.variables, "main.Version": kubelet.module.version})
    tool = replace(
        kubelet,
        name="agnhost",
        program="agnhost",
        package="k8s.io/kubernetes/test/images/agnhost",
        module=module,
        sha256={},
    )
    # Not even its turn is waited for when there is nothing to build: another run may be building for minutes.
    return (
        asking.in_cache(tool, folder)
        or gobuild.build(module, [tool], folder, environ=environ, report=report, deadline=Deadline.after(1800))[
            "agnhost"
        ]
    )
