"""Cilium's settings in their four forms: Helm's values, the rendered `cilium-config`, the live one, and each agent's.

An agent reads its settings once, from the files that its pod's `config` container wrote when the pod started: a copy of
`cilium-config` with what CiliumNodeConfigs and the node's annotations override (`cilium-dbg build-config`, the same in
Cilium 1.14 to 1.20). Those files say what the agent runs with, in the words of `cilium-config`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from ciliumctl.agents import AGENT_CONTAINER, AGENT_LABEL
from ciliumctl.change.impact import CONFIG, config_of
from ciliumctl.change.objects import parse
from ciliumctl.change.target import Target
from ciliumctl.clients.kube import CONFIG_MAPS, PODS, Kube, Manifest, Resource, dig, name_of
from ciliumctl.errors import ApiFailed, CiliumctlError, NotFound, Partial
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter

#: How many agents are asked at once; each costs one websocket and some 6 kB.
AT_ONCE = 16
# Seconds for one agent.
_PATIENCE = 20.0
_FOLDER = "/tmp/cilium/config-map"  # noqa: S108 - in the agent's pod
# A name and its content in turn, each ended by a zero byte: values may have several lines, or none.
_READ = f"cd {_FOLDER} && for f in *; do printf '%s\\0' \"$f\"; cat \"$f\"; printf '\\0'; done"
#: What the pod's `config` container adds: where the settings are from.
SOURCES = "config-sources"
_NODE_CONFIGS = tuple(Resource("cilium.io", version, "ciliumnodeconfigs") for version in ("v2", "v2alpha1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CiliumConfig:
    """The live `cilium-config`."""

    kind: ClassVar[str] = "CiliumConfig"

    context: str
    namespace: str
    settings: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Always: there is nothing to judge."""
        return True

    @property
    def names(self) -> list[str]:
        """For `-o name`."""
        return list(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGroup:
    """Agents that run with the same value; `None` for those that do not have the key.

    `override` says that a CiliumNodeConfig or the node itself sets it: that is meant, and no drift.
    """

    value: str | None
    nodes: tuple[str, ...]
    override: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDrift:
    """One key that is not the same everywhere; `None` where it is not there.

    `values` is what the release's values render to now, `release` what its manifest has.
    """

    key: str
    values: str | None
    release: str | None
    live: str | None
    agents: tuple[AgentGroup, ...]

    @property
    def meant(self) -> bool:
        """Whether all that differs are nodes that are set up to differ."""
        same = self.values == self.release == self.live
        return same and all(group.override or group.value == self.live for group in self.agents)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """An agent that gave no answer."""

    node: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDrift:
    """Where the forms of the settings differ. `agents` is how many answered."""

    kind: ClassVar[str] = "ConfigDrift"

    context: str
    namespace: str
    revision: int
    agents: int
    keys: tuple[KeyDrift, ...]
    not_asked: tuple[NotAsked, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differs that is not meant to, and every agent could be asked."""
        return all(key.meant for key in self.keys) and not self.not_asked

    @property
    def partial(self) -> Partial | None:
        """The error of a comparison that some agents are missing from, where nothing differs as far as is known."""
        if not self.not_asked or not all(key.meant for key in self.keys):
            return None
        return Partial(
            f"{len(self.not_asked)} agents could not be asked: {self.not_asked[0].why}",
            hint="`ciliumctl status` shows how they are; `--no-agents` leaves them out",
        )


def view(kube: Kube, namespace: str) -> CiliumConfig:
    """The live `cilium-config`, by key. One request. Raises `NotFound`."""
    return CiliumConfig(context=kube.context, namespace=namespace, settings=_live(kube, namespace))


def _live(kube: Kube, namespace: str) -> dict[str, str]:
    found = kube.find(CONFIG_MAPS, CONFIG, namespace)
    if found is None:
        raise NotFound(
            f"there is no ConfigMap `{CONFIG}` in namespace `{namespace}`",
            hint="install Cilium first: `ciliumctl install`, or name the right namespace with `-n`",
        )
    data: Mapping[str, str] = dig(found, "data", default={})
    return dict(sorted(data.items()))


def drift(kube: Kube, target: Target, report: Reporter, *, ask_agents: bool = True) -> ConfigDrift:
    """Compare all forms. `target` is the release as its own values render it now.

    Three requests, and one command in each agent, `AT_ONCE` at a time.
    """
    namespace = target.before.namespace
    rendered = config_of(parse(target.manifest, namespace))
    released = config_of(parse(target.before.manifest, namespace))
    live = _live(kube, namespace)
    running: dict[str, Mapping[str, str]] = {}
    not_asked: list[NotAsked] = []
    if ask_agents:
        with report.step("Asking the agents") as step:
            running, not_asked = _running(kube, namespace)
            step.finish(f"{len(running)} answered" + (f", {len(not_asked)} did not" if not_asked else ""))
    overridden = _overridden(kube, namespace, running)
    every = rendered.keys() | released.keys() | live.keys() | {key for found in running.values() for key in found}
    keys = []
    for key in sorted(every - {SOURCES}):
        found = KeyDrift(
            key=key,
            values=rendered.get(key),
            release=released.get(key),
            live=live.get(key),
            agents=grouped(key, live.get(key), running, overridden),
        )
        if not found.values == found.release == found.live or any(group.value != found.live for group in found.agents):
            keys.append(found)
    return ConfigDrift(
        context=kube.context,
        namespace=namespace,
        revision=target.before.revision,
        agents=len(running),
        keys=tuple(keys),
        not_asked=tuple(not_asked),
    )


def _running(kube: Kube, namespace: str) -> tuple[dict[str, Mapping[str, str]], list[NotAsked]]:
    """What each agent runs with, by node, and those that gave no answer."""
    pods = list(kube.objects(PODS, namespace, labels=AGENT_LABEL))
    answers = gather([partial(_ask, kube, namespace, pod) for pod in pods], limit=AT_ONCE)
    running: dict[str, Mapping[str, str]] = {}
    silent = []
    for pod, answer in zip(pods, answers, strict=True):
        node = dig(pod, "spec", "nodeName", default="") or name_of(pod)
        if isinstance(answer, CiliumctlError):
            silent.append(NotAsked(node=node, why=answer.message))
        elif isinstance(answer, Exception):
            raise answer
        else:
            running[node] = answer
    return running, silent


def _ask(kube: Kube, namespace: str, pod: Manifest) -> Mapping[str, str]:
    if dig(pod, "status", "phase", default="") != "Running":
        raise ApiFailed(f"pod `{name_of(pod)}` is {dig(pod, 'status', 'phase', default='not running')}")
    ran = kube.exec(namespace, name_of(pod), ["sh", "-c", _READ], container=AGENT_CONTAINER, timeout=_PATIENCE)
    found = read(ran.stdout)
    if ran.code != 0 or not found:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ApiFailed(f"`{_FOLDER}` in pod `{name_of(pod)}` cannot be read: {said[-1] if said else 'it is empty'}")
    return found


def read(output: bytes) -> dict[str, str]:
    """The settings in what an agent's pod answers."""
    parts = output.decode("utf-8", "replace").split("\0")
    return dict(zip(parts[0::2], parts[1::2], strict=False))


def grouped(
    key: str, live: str | None, running: Mapping[str, Mapping[str, str]], overridden: Mapping[str, frozenset[str]]
) -> tuple[AgentGroup, ...]:
    """The agents by the value that they run with, those with the live one first, then by how many they are."""
    nodes: dict[tuple[str | None, bool], list[str]] = {}
    for node, settings in running.items():
        value = settings.get(key)
        override = value != live and key in overridden.get(node, frozenset())
        nodes.setdefault((value, override), []).append(node)
    groups = [
        AgentGroup(value=value, nodes=tuple(sorted(names)), override=override)
        for (value, override), names in nodes.items()
    ]
    return tuple(sorted(groups, key=lambda group: (group.value != live, -len(group.nodes), group.value or "")))


def _overridden(kube: Kube, namespace: str, running: Mapping[str, Mapping[str, str]]) -> Mapping[str, frozenset[str]]:
    """For each node the keys that something else than `cilium-config` may have set."""
    sources = {node: _sources(settings) for node, settings in running.items()}
    if not any(kind == "cilium-node-config" for found in sources.values() for kind, _name in found):
        configs: Mapping[str, frozenset[str]] = {}
    else:
        configs = {
            name_of(item): frozenset(dig(item, "spec", "defaults", default={}))
            for item in _node_configs(kube, namespace)
        }
    result = {}
    for node, found in sources.items():
        keys: set[str] = set()
        for kind, name in found:
            keys |= configs.get(name.rpartition("/")[2], frozenset()) if kind == "cilium-node-config" else set()
            # The node's own annotations: which keys they set is not told, and they set few.
            keys |= running[node].keys() if kind == "node" else set()
        result[node] = frozenset(keys)
    return result


def _sources(settings: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = (part.partition(":") for part in settings.get(SOURCES, "").split(",") if part)
    return [(kind, name) for kind, _colon, name in pairs]


def _node_configs(kube: Kube, namespace: str) -> Sequence[Manifest]:
    for resource in _NODE_CONFIGS:
        try:
            return list(kube.objects(resource, namespace))
        except NotFound:
            continue
    return []
