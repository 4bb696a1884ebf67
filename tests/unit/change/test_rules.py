from __future__ import annotations

import pytest

from ciliumctl import templates
from ciliumctl.change import rules


def test_every_file_of_rules_is_read_and_every_rule_has_a_reason() -> None:
    known = {*rules.FILES, "versions", "objects"}
    assert set(templates.names("values/impact")) == known
    for rule in rules.of_keys():
        assert rule.level in rules.LEVELS, rule.keys
        assert rule.why, rule.keys
        assert rule.values, rule.keys
    for step in rules.of_versions():
        assert step.level in rules.LEVELS
        assert step.why or step.back


@pytest.mark.parametrize(
    ("key", "before", "after", "level"),
    [
        ("routing-mode", "tunnel", "native", "interruption"),
        ("ipam", "cluster-pool", "kubernetes", "not-live"),
        ("cluster-pool-ipv4-cidr", "10.0.0.0/8", "10.0.0.0/8 11.0.0.0/8", "agents-restart"),
        ("cluster-pool-ipv4-cidr", "10.0.0.0/8 11.0.0.0/8", "10.0.0.0/8", "not-live"),
        ("cluster-pool-ipv4-cidr", "10.0.0.0/16", "10.0.0.0/8", "agents-restart"),
        ("cluster-pool-ipv4-cidr", "10.1.0.0/16", "10.0.0.0/8", "not-live"),
        ("identity-allocation-mode", "crd", "kvstore", "not-live"),
        ("identity-allocation-mode", "crd", "doublewrite-readcrd", "agents-restart"),
        ("enable-wireguard", "", "true", "interruption"),
        ("enable-gateway-api", "true", "", "interruption"),
    ],
)
def test_a_change_of_a_key_has_its_level(key: str, before: str, after: str, level: str) -> None:
    found = rules.find(key, before, after, mesh=False)
    assert found is not None
    assert found.level == level


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("datapath-mode", "", "veth"),
        ("enable-remote-node-identity", "true", ""),
        ("enable-host-firewall", "", "false"),
        ("enable-gateway-api", "", "true"),
        ("max-connected-clusters", "", "255"),
        ("debug", "false", "true"),
    ],
)
def test_a_key_that_comes_or_goes_with_what_held_without_it_is_no_change(key: str, before: str, after: str) -> None:
    assert rules.find(key, before, after, mesh=False) is None


def test_the_id_of_a_cluster_in_a_mesh_cannot_be_changed() -> None:
    alone = rules.find("cluster-id", "1", "2", mesh=False)
    meshed = rules.find("cluster-id", "1", "2", mesh=True)
    assert alone is not None
    assert meshed is not None
    assert (alone.level, meshed.level) == ("interruption", "not-live")


@pytest.mark.parametrize(
    ("old", "new", "crossed"),
    [
        ("1.15.6", "1.16.19", True),
        ("1.15.6", "1.18.12", True),
        ("1.16.19", "1.15.6", True),
        ("1.16.1", "1.16.19", False),
        ("1.17.0", "1.18.0", False),
        ("1.15.6", "1.15.19", False),
    ],
)
def test_a_step_is_crossed_by_minor_versions_in_both_directions(old: str, new: str, *, crossed: bool) -> None:
    step = rules.Step(step="1.16", level="none", why="x", back="y", way="", only_if={}, before="")
    assert step.crossed(old, new) is crossed


def test_a_step_may_be_only_for_those_who_come_from_an_old_patch() -> None:
    step = rules.Step(step="1.16", level="interruption", why="x", back="", way="", only_if={}, before="<1.15.6")
    assert step.crossed("1.15.5", "1.16.0")
    assert not step.crossed("1.15.6", "1.16.0")


def test_the_worst_of_levels_is_the_last_in_their_order() -> None:
    assert rules.worst([]) == "none"
    assert rules.worst(["agents-restart", "not-live", "none"]) == "not-live"
