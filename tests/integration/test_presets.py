"""Every preset against Cilium's own charts: what it sets, the chart must know and render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs
from ciliumctl.values import presets
from ciliumctl.values.paths import leaves
from tests.integration.conftest import chart

VERSIONS = ("1.15.6", "1.16.19", "1.18.12", "1.19.6", "1.20.0")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_rendered_by_the_chart(programs: dict[str, Path], name: str, version: str) -> None:
    helm = Helm(HelmOptions(executable=str(programs["helm"])), environ={})
    preset = presets.load(name)
    inputs = Inputs(generated=preset.values)
    manifest = helm.render("cilium", str(chart(version)), inputs, namespace="kube-system", kube_version="1.32.0")
    assert "kind: DaemonSet" in manifest


@pytest.mark.parametrize("name", presets.names())
def test_every_key_of_a_preset_is_one_of_the_newest_chart_s(name: str) -> None:
    newest = charts.read(chart("1.20.0"))
    templates = b"".join(newest.files.values()).decode("utf-8", "replace")
    for path, _value in leaves(presets.load(name).values):
        # Some values are read by templates, and have no default.
        if f".Values.{'.'.join(path)}" in templates:
            continue
        below: Any = newest.values
        for key in path:
            if not isinstance(below, dict) or not below:
                # A free mapping, such as node selectors.
                break
            assert key in below, f"{'.'.join(path)} is not in the chart"
            below = below[key]
