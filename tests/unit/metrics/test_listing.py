"""`cilium-dbg metrics list`, as the versions of Cilium print it."""

from __future__ import annotations

import pytest

from ciliumctl.metrics.listing import parse
from ciliumctl.metrics.text import Malformed, Sample

# As the tabwriter of cilium/cilium `pkg/metrics/cmd.go` sets it: columns three spaces apart.
TABLE = """\
Metric                                      Labels                                     Value
cilium_controllers_failing                                                             0.000000
cilium_drop_count_total                     direction=INGRESS reason=Policy denied     12.000000
cilium_k8s_client_api_latency_time_seconds  method=GET path=/healthz                   2.5ms / 4.75ms / 9ms
cilium_endpoint_state                       endpoint_state=ready                       3.000000
"""


def test_until_1_16_it_is_json() -> None:
    found = parse('[{"name": "cilium_policy", "value": 2}, {"name": "a", "labels": {"b": "c"}, "value": 0.5}]')
    assert found.samples == (Sample("cilium_policy", {}, 2), Sample("a", {"b": "c"}, 0.5))


def test_later_it_is_a_table_whose_quantiles_are_left_out() -> None:
    assert parse(TABLE.replace("seconds  method", "seconds   method")).samples == (
        Sample("cilium_controllers_failing", {}, 0.0),
        Sample("cilium_drop_count_total", {"direction": "INGRESS", "reason": "Policy denied"}, 12.0),
        Sample("cilium_endpoint_state", {"endpoint_state": "ready"}, 3.0),
    )


def test_an_agent_without_metrics_lists_none() -> None:
    assert parse("null").samples == ()


@pytest.mark.parametrize("text", ["", "Cannot get metrics list", '[{"labels": {}}]', "[1]"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)
