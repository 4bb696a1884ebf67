from __future__ import annotations

from ciliumctl.change import settings
from ciliumctl.change.settings import AgentGroup, ConfigDrift, KeyDrift, NotAsked


def test_the_settings_of_an_agent_are_read_with_empty_values_and_several_lines() -> None:
    found = settings.read(
        b"debug\x00false\x00debug-verbose\x00\x00list\x00one\ntwo\n\x00config-sources\x00config-map:a/b\x00"
    )
    assert found == {"debug": "false", "debug-verbose": "", "list": "one\ntwo\n", "config-sources": "config-map:a/b"}
    assert settings.read(b"") == {}


def test_agents_are_grouped_by_what_they_run_with_the_live_value_first() -> None:
    running = {
        "n1": {"debug": "false"},
        "n2": {"debug": "true"},
        "n3": {"debug": "false"},
        "n4": {},
    }
    groups = settings.grouped("debug", "true", running, {})
    assert groups == (
        AgentGroup(value="true", nodes=("n2",)),
        AgentGroup(value="false", nodes=("n1", "n3")),
        AgentGroup(value=None, nodes=("n4",)),
    )


def drift(*keys: KeyDrift, not_asked: tuple[NotAsked, ...] = ()) -> ConfigDrift:
    return ConfigDrift(context="c", namespace="n", revision=1, agents=2, keys=keys, not_asked=not_asked)


def test_a_node_that_is_set_up_to_differ_is_no_drift_and_an_agent_with_old_settings_is() -> None:
    def key(*groups: AgentGroup) -> KeyDrift:
        return KeyDrift(key="debug", values="true", release="true", live="true", agents=groups)

    assert drift().ok
    assert drift(key(AgentGroup(value="false", nodes=("n1",), override=True))).ok
    assert not drift(key(AgentGroup(value="false", nodes=("n1",)))).ok
    assert not drift(KeyDrift(key="x", values="a", release="a", live="b", agents=())).ok
    assert not drift(not_asked=(NotAsked(node="n", why="gone"),)).ok


def test_an_agent_that_could_not_be_asked_makes_the_answer_partial_unless_it_is_no_anyway() -> None:
    silent = (NotAsked(node="n", why="gone"),)
    found = drift(not_asked=silent).partial
    assert found is not None
    assert found.exit_code == 7
    differs = KeyDrift(key="x", values="a", release="a", live="b", agents=())
    assert drift(differs, not_asked=silent).partial is None
    assert drift().partial is None
