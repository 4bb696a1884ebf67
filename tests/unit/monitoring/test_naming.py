"""Hubble's metrics and labels as people write them down."""

from __future__ import annotations

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.monitoring import naming


@pytest.mark.parametrize(
    ("texts", "entries"),
    [
        (["dns,drop, tcp"], ("dns", "drop", "tcp")),
        (["dns", "drop,dns"], ("dns", "drop")),
        (["none"], ()),
        (
            ["dns:query;ignoreAAAA,httpV2:exemplars=true;labelsContext=source_ip,source_pod,drop"],
            ("dns:query;ignoreAAAA", "httpV2:exemplars=true;labelsContext=source_ip,source_pod", "drop"),
        ),
    ],
)
def test_a_comma_ends_an_entry_where_a_metric_follows(texts: list[str], entries: tuple[str, ...]) -> None:
    assert naming.hubble_metrics(texts) == entries


@pytest.mark.parametrize(
    ("text", "hint"), [("drops", "did you mean `drop`?"), ("x", "Some of dns, drop"), ("", "none")]
)
def test_a_metric_that_hubble_does_not_have_is_told(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        naming.hubble_metrics([text])
    assert hint in caught.value.hint


def test_labels_are_pairs() -> None:
    assert naming.labels(["release=prom,team=net", "a=b=c"]) == {"release": "prom", "team": "net", "a": "b=c"}
    with pytest.raises(UsageError):
        naming.labels(["release"])
