"""The text of `/metrics`: what programs write is read as they meant it."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.metrics.text import Malformed, Sample, parse

AGENT = """\
# HELP cilium_drop_count_total Total dropped packets, tagged by drop reason and ingress/egress direction
# TYPE cilium_drop_count_total counter
cilium_drop_count_total{direction="INGRESS",reason="Policy denied"} 12
cilium_drop_count_total{direction="EGRESS",reason="Policy denied"} 3.5e+01

# TYPE cilium_k8s_client_api_latency_time_seconds histogram
cilium_k8s_client_api_latency_time_seconds_bucket{le="0.005"} 1
cilium_k8s_client_api_latency_time_seconds_bucket{le="+Inf"} 2
cilium_k8s_client_api_latency_time_seconds_sum 0.2
cilium_k8s_client_api_latency_time_seconds_count 2
"""
NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True)
LABELS = st.dictionaries(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True), st.text(), max_size=4)


def written(name: str, labels: dict[str, str], value: float) -> str:
    """A sample as an exporter writes it."""
    pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
    number = "NaN" if math.isnan(value) else "+Inf" if value == math.inf else "-Inf" if value == -math.inf else value
    return f"{name}{{{pairs}}} {number}" if labels else f"{name} {number}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def test_an_agents_answer_is_its_samples_with_types_and_helps() -> None:
    found = parse(AGENT)
    assert [sample.value for sample in found.of("cilium_drop_count_total")] == [12.0, 35.0]
    assert found.samples[0].labels == {"direction": "INGRESS", "reason": "Policy denied"}
    assert found.types["cilium_drop_count_total"] == "counter"
    assert found.helps["cilium_drop_count_total"].startswith("Total dropped packets")
    assert found.family("cilium_k8s_client_api_latency_time_seconds_bucket") == (
        "cilium_k8s_client_api_latency_time_seconds"
    )
    assert found.family("cilium_drop_count_total") == "cilium_drop_count_total"


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("up 1 1700000000000", Sample("up", {}, 1.0)),
        ("up{} 0", Sample("up", {}, 0.0)),
        ('a{b="c",} 1', Sample("a", {"b": "c"}, 1.0)),
        ('a { b = "c" , d="e" } 1', Sample("a", {"b": "c", "d": "e"}, 1.0)),
        ('a{b="}, # \\"x\\" \\\\n \\n"} 2', Sample("a", {"b": '}, # "x" \\n \n'}, 2.0)),
        ('a_bucket{le="1"} 4 # {trace_id="ab # c"} 0.7 1.5', Sample("a_bucket", {"le": "1"}, 4.0)),
        ('{"a.b","c d"="e"} 3', Sample("a.b", {"c d": "e"}, 3.0)),
        ("a -Inf\r", Sample("a", {}, -math.inf)),
    ],
)
def test_a_line_of_each_form_is_one_sample(line: str, sample: Sample) -> None:
    assert parse(line).samples == (sample,)


def test_a_value_that_is_no_number_to_its_program_is_none_here() -> None:
    (sample,) = parse("a NaN").samples
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    "line", ["<html>", "a", "a one", "a 1_0", "a 1 2 3", 'a{b="c" 1', "a{b=c} 1", 'a{="c"} 1', "a{b} 1", '{b="c"} 1']
)
def test_what_is_no_metric_is_told_with_its_line(line: str) -> None:
    with pytest.raises(Malformed, match="line 2 is no metric"):
        parse(f"up 1\n{line}")


@given(st.lists(st.tuples(NAMES, LABELS, st.floats()), max_size=5))
def test_what_is_written_is_read(samples: list[tuple[str, dict[str, str], float]]) -> None:
    found = parse("\n".join(written(*sample) for sample in samples) + "\n# EOF\n").samples
    assert [(one.name, one.labels) for one in found] == [(name, labels) for name, labels, _value in samples]
    for one, (_name, _labels, value) in zip(found, samples, strict=True):
        assert one.value == value or (math.isnan(one.value) and math.isnan(value))


@given(st.text())
def test_no_text_makes_it_fail_otherwise_than_by_saying_so(text: str) -> None:
    with contextlib.suppress(Malformed):
        assert all(sample.name for sample in parse(text).samples)
