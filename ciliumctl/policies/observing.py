"""Flows that a node's Hubble has, as far as verdicts are looked up in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ciliumctl import agents
from ciliumctl.agents import AGENT_CONTAINER, Agent
from ciliumctl.clients.kube import Kube, dig
from ciliumctl.errors import ApiFailed


def flows(kube: Kube, agent: Agent, filters: Sequence[str]) -> list[Mapping[str, Any]]:
    """Those that fit filters of `hubble observe`. One exec. Raises `ApiFailed` when Hubble does not answer."""
    words = ["hubble", "observe", "-o", "jsonpb", *filters]
    ran = kube.exec(agent.namespace, agent.pod, words, container=AGENT_CONTAINER, timeout=agents.PATIENCE)
    if ran.code:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ApiFailed(said[-1] if said else f"`hubble observe` ended with {ran.code}")
    found: list[Mapping[str, Any]] = []
    for line in ran.stdout.decode("utf-8", "replace").splitlines():
        try:
            found.append(dig(json.loads(line), "flow", default={}))
        except ValueError:
            continue
    return found
