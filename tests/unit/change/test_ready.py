from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import charts
from ciliumctl.change.ready import Wishes, ready
from ciliumctl.change.target import Target
from ciliumctl.clients.helm import Helm, HelmOptions, Inputs, Release, SetFlag
from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.clients.web import Web
from ciliumctl.errors import LegacyValues
from ciliumctl.installation import Means
from ciliumctl.report import Reporter
from tests.world.cluster import FakeCluster


def chart(version: str, values: str) -> charts.Chart:
    files = {"Chart.yaml": f"{{name: cilium, version: {version}}}".encode(), "values.yaml": values.encode()}
    return charts.Chart(path=Path(), source=version, files=files)


def target(before: charts.Chart, after: charts.Chart, config: dict[str, Any]) -> Target:
    found = Release(
        name="cilium",
        namespace="kube-system",
        revision=1,
        status="deployed",
        chart="cilium",
        chart_version=before.version,
        app_version=before.version,
        updated="",
        description="",
        config=config,
        defaults=before.values,
        manifest="",
        stored_chart={},
    )
    return Target(before=found, chart=after, inputs=Inputs(generated=config), config=config, manifest="")


OLD = chart("1.16.19", "externalIPs: {enabled: false}\nkubeProxyReplacement: 'false'\n")
NEW = chart("1.17.3", "kubeProxyReplacement: 'false'\n")


def test_a_value_that_the_new_chart_drops_is_refused_and_one_that_meant_nothing_before_is_not(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    means = Means(
        helm=Helm(HelmOptions(executable="none")), web=Web(), cache=tmp_path, report=Reporter(lambda _event: None)
    )

    lost = target(OLD, NEW, {"externalIPs": {"enabled": True}})
    with pytest.raises(LegacyValues, match=r"loses values that are set: `externalIPs\.enabled`") as refused:
        ready(kube, [lost], OLD, means, Wishes())
    assert "--set externalIPs.enabled=null" in refused.value.hint
    assert "--skip-lint" in refused.value.hint
    (outlook,) = ready(kube, [lost], OLD, means, Wishes(lint=False)).outlooks
    assert [finding.severity for finding in outlook.findings if finding.key == "externalIPs.enabled"] == ["error"]

    same = target(NEW, NEW, {})
    flags = (SetFlag(kind="set", text="debug.enabled=true,foo.bar=1"),)
    given = replace(same, config={"foo": {"bar": 1}}, inputs=Inputs(flags=flags))
    with pytest.raises(LegacyValues, match=r"Cilium 1\.17\.3 loses values that are set: `foo`") as refused:
        ready(kube, [given], NEW, means, Wishes())
    assert refused.value.hint == "leave out `--set foo.bar`, or go on without them: `--skip-lint`"

    never = target(OLD, NEW, {"nonsense": True})
    (outlook,) = ready(kube, [never], OLD, means, Wishes()).outlooks
    assert [finding.severity for finding in outlook.findings if finding.key == "nonsense"] == ["warning"]
