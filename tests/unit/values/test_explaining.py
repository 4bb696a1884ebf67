from __future__ import annotations

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.values import explaining
from ciliumctl.values.explaining import Explained
from ciliumctl.values.lint import since
from tests.unit.values.lint.charts import chart


def explain(key: str) -> Explained:
    return explaining.explain(key, chart(), helm=None, kube_version="1.34.0")


def test_the_chart_s_own_words_are_told_without_those_for_the_schema() -> None:
    found = explain("operator.replicas")
    assert found.about == "How many there are. More than one needs as many nodes."
    assert (found.type, found.default, found.source) == ("integer", 2, "own")
    assert found.since == "1.15.6"
    assert found.before == ""


def test_a_map_lists_what_is_below_it() -> None:
    assert [below.key for below in explain("hubble").below] == [
        "hubble.enabled",
        "hubble.relay.enabled",
        "hubble.relay.replicas",
        "hubble.ui.enabled",
    ]


def test_a_value_that_only_a_template_has_says_so() -> None:
    assert explain("iptablesLockTimeout").source == "read"


def test_what_became_of_an_old_value_is_told() -> None:
    assert explain("nativeRoutingCIDR").notes == ("chart 1.20.0 ignores it; now `ipv4NativeRoutingCIDR`",)


def test_the_successor_of_each_old_value_is_told() -> None:
    first, second, third = explain("tunnel").notes
    assert first == "chart 1.20.0 refuses it with `disabled`; now `routingMode: native`"
    assert "now `routingMode: tunnel` and `tunnelProtocol: vxlan` for `vxlan`" in second
    assert third == "chart 1.20.0 ignores it with an empty text; an empty one says nothing"


def test_a_value_that_only_templates_had_before_is_as_old_as_they_are() -> None:
    span = since.of("kubeProxyReplacement")
    assert span is not None
    assert (span.first, span.before) == ("1.15.6", "")


def test_an_unknown_value_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        explain("hubble.relay.replica")
    assert caught.value.hint.startswith("it has `hubble.relay.replicas`")
