"""Every test of the official CLI has a test here, or a reason why not."""

from __future__ import annotations

from ciliumctl import templates
from ciliumctl.connectivity.scenarios import all_of_them

#: What the official CLI v0.19.7 builds: the names in its `connectivity/builder`.
COUNT = 137


def test_every_official_test_has_a_scenario_or_a_reason() -> None:
    covered = {name for scenario in all_of_them() for name in scenario.official}
    explained = [name for group in templates.load("connectivity/official.yaml") for name in group["tests"]]
    assert len(explained) == len(set(explained))
    assert covered & set(explained) == set()
    assert len(covered | set(explained)) == COUNT
    assert all(group["reason"] for group in templates.load("connectivity/official.yaml"))


def test_names_are_unique_and_are_told_in_a_sentence() -> None:
    names = [scenario.name for scenario in all_of_them()]
    assert len(names) == len(set(names))
    assert all(scenario.about and not scenario.about.endswith(".") for scenario in all_of_them())


def test_a_smoke_test_needs_no_pod_in_the_hosts_network() -> None:
    assert not [scenario.name for scenario in all_of_them() if scenario.smoke and scenario.groups]
