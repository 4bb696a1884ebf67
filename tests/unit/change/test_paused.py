from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.change import paused
from ciliumctl.change.resuming import moment
from ciliumctl.clients.helm import Release
from ciliumctl.values.paths import merge


def release(config: dict[str, Any], description: str) -> Release:
    return Release(
        name="cilium",
        namespace="kube-system",
        revision=4,
        status="deployed",
        chart="cilium",
        chart_version="1.16.19",
        app_version="1.16.19",
        updated="",
        description=description,
        config=config,
        defaults={},
        manifest="",
        stored_chart={},
    )


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}, "envoy": {"updateStrategy": {"type": "OnDelete"}}}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"debug": {"enabled": True}},
        {"updateStrategy": {"type": "RollingUpdate"}},
        {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}},
        {"updateStrategy": {"type": "OnDelete"}, "envoy": {"enabled": True}},
        {"envoy": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"maxUnavailable": "10%"}}}},
    ],
)
def test_the_users_own_strategies_come_back_from_the_mark(own: dict[str, Any]) -> None:
    made = release(merge(own, ON_DELETE), f"ciliumctl 1.0 upgrade {paused.mark(3, own)}")
    pause = paused.of(made)
    assert pause is not None
    assert pause.since == 3
    assert paused.own_values(made) == own
    assert made.config == merge(own, ON_DELETE)


def test_a_release_without_the_mark_is_not_paused_whatever_its_values_say() -> None:
    found = release(ON_DELETE, "ciliumctl 1.0 upgrade")
    assert paused.of(found) is None
    assert paused.own_values(found) == ON_DELETE


def test_values_that_leave_every_restart_to_people_are_seen() -> None:
    assert paused.needs_hands(ON_DELETE)
    assert not paused.needs_hands({"updateStrategy": {"type": "RollingUpdate"}})
    assert not paused.needs_hands({"envoy": {"updateStrategy": {"type": "OnDelete"}}})


def test_times_of_helm_and_kubernetes_compare_whatever_their_zone() -> None:
    assert moment("2026-11-26T15:21:05.123456789+00:00") == moment("2026-11-26T15:21:05Z")
    assert moment("2026-11-26T10:21:05.1-05:00") == moment("2026-11-26T15:21:05Z")
    assert moment("") < moment("2026-01-01T00:00:00Z")
    assert moment("yesterday") == moment("")
