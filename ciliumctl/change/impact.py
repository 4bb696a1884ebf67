"""What a change does to the running network: each value, key and object that changes, with the reason.

Facts come first: the two manifests say which pods roll and which settings change. What a setting means is data, in
`templates/values/impact/`; for a setting that no rule knows, its readers must restart to see it, and that is all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ciliumctl.change import rollout, rules
from ciliumctl.change.masking import Masker
from ciliumctl.change.objects import (
    Objects,
    Ref,
    Rendered,
    is_authority,
    listed,
    made_anew,
    parse,
    pod_template,
    read_while_running,
    same,
    what_differs,
    when_rolled,
)
from ciliumctl.change.rules import Level, Rule, worst
from ciliumctl.change.target import Target
from ciliumctl.change.uses import Uses, about
from ciliumctl.clients.kube import Manifest, dig
from ciliumctl.values.paths import difference, get, leaves, split

CONFIG = "cilium-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that the change does. `way` is the safe way, where there is one."""

    level: Level
    subject: str
    why: str
    way: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A workload whose pods are replaced: by its own rollout, or by ciliumctl because it reads what changed."""

    workload: str
    namespace: str
    by: Literal["rollout", "ciliumctl"]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """One of the release's own values, before and after; `None` where it is not set. Secrets are masked."""

    key: str
    before: Any
    after: Any
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """All that a change does."""

    effects: tuple[Effect, ...]
    restarts: tuple[Restart, ...]
    values: tuple[ValueChange, ...]

    @property
    def worst(self) -> Level:
        """The worst level of all effects."""
        return worst([effect.level for effect in self.effects])

    @property
    def confirmation(self) -> Literal["none", "yes", "name"]:
        """What a change needs before it is made: nothing, a yes, or the name of the cluster."""
        if self.worst == "not-live":
            return "name"
        return "yes" if self.worst == "interruption" else "none"


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is compared: a release before and after."""

    version_before: str
    version: str
    manifest_before: str
    manifest: str
    namespace: str
    values_before: Mapping[str, Any]
    values: Mapping[str, Any]
    #: The release's own values, without the chart's.
    config_before: Mapping[str, Any]
    config: Mapping[str, Any]
    #: The chart's files, to find out which templates a value is used in.
    files: Mapping[str, bytes]

    @cached_property
    def old(self) -> Objects:
        """The objects before."""
        return parse(self.manifest_before, self.namespace)

    @cached_property
    def new(self) -> Objects:
        """The objects after."""
        return parse(self.manifest, self.namespace)

    @property
    def mesh(self) -> bool:
        """Whether clusters are connected, or may be."""
        paths = (("clustermesh", "useAPIServer"), ("clustermesh", "config", "enabled"))
        return any(get(self.values_before, path) is True for path in paths)


def of(target: Target) -> Impact:
    """What the change of an installed release does. Asks nobody."""
    return judge(
        Sides(
            version_before=target.before.chart_version,
            version=target.chart.version,
            manifest_before=target.before.manifest,
            manifest=target.manifest,
            namespace=target.before.namespace,
            values_before=target.values_before,
            values=target.values,
            config_before=target.before.config,
            config=target.config,
            files=target.chart.files,
        )
    )


def judge(sides: Sides) -> Impact:
    """What lies between two sides, the worst first."""
    levels: dict[Ref, Level] = {}
    fired: dict[Rule, list[str]] = {}
    effects = [*_of_config(sides, fired, levels), *_of_objects(sides, levels), *_of_versions(sides)]
    order = rules.LEVELS
    effects.sort(key=lambda effect: -order.index(effect.level))
    return Impact(
        effects=tuple(effects),
        restarts=tuple(_restarts(sides)),
        values=tuple(_values(sides, fired, levels)),
    )


# cilium-config


def config_of(objects: Objects) -> Mapping[str, str]:
    """The data of `cilium-config` in a manifest."""
    for ref, item in objects.items():
        if (ref.kind, ref.name) == ("ConfigMap", CONFIG):
            data: Mapping[str, str] = dig(item.manifest, "data", default={})
            return {key: str(value) for key, value in data.items()}
    return {}


def _of_config(sides: Sides, fired: dict[Rule, list[str]], levels: dict[Ref, Level]) -> Iterator[Effect]:
    before, after = config_of(sides.old), config_of(sides.new)
    if not before:
        return
    unknown = []
    for key in rules.changed_keys(before, after):
        rule = rules.find(key, before.get(key, ""), after.get(key, ""), mesh=sides.mesh)
        if rule is None:
            unknown.append(key)
        else:
            fired.setdefault(rule, []).append(key)
    for rule, keys in fired.items():
        yield _of_rule(rule, keys, before, after)
    if unknown:
        levels[Ref("ConfigMap", sides.namespace, CONFIG)] = "agents-restart"
        single = len(unknown) == 1
        yield Effect(
            level="agents-restart",
            subject=f"{CONFIG}: {listed(unknown)}",
            why="agents and operator read it when they start; nothing else is known of it",
            before=before.get(unknown[0], "") if single else "",
            after=after.get(unknown[0], "") if single else "",
        )


def _of_rule(rule: Rule, keys: Sequence[str], before: Mapping[str, str], after: Mapping[str, str]) -> Effect:
    single = len(keys) == 1
    return Effect(
        level=rule.level,
        subject=f"{CONFIG}: {listed(keys)}",
        why=rule.why,
        way=rule.way,
        before=before.get(keys[0], "") if single else "",
        after=after.get(keys[0], "") if single else "",
    )


# Objects


def _of_objects(sides: Sides, levels: dict[Ref, Level]) -> Iterator[Effect]:
    for ref, item in sides.new.items():
        old = sides.old.get(ref)
        if old is None or same(old.manifest, item.manifest) or made_anew(item.manifest):
            continue
        for effect in _of_object(ref, old, item, sides):
            levels[ref] = worst([effect.level, levels.get(ref, "none")])
            yield effect


def _of_object(ref: Ref, old: Rendered, new: Rendered, sides: Sides) -> Iterator[Effect]:
    fixed = _fixed(ref, old.manifest, new.manifest)
    if fixed:
        yield Effect(
            level="not-live",
            subject=str(ref),
            why=f"the API server lets nobody change its {fixed}: Helm will fail",
            way="delete the object first, when nothing depends on it; Helm makes it anew",
        )
    before, after = pod_template(old.manifest), pod_template(new.manifest)
    if after and ref.kind != "CronJob" and not same(before, after):
        meaning = when_rolled(ref)
        why = f"its pods are replaced in turn ({what_differs(before, after)})" + (f"; {meaning}" if meaning else "")
        yield Effect(level="rolling-restart", subject=str(ref), why=why)
    elif _other_config(ref, old, new):
        readers = sorted(name for name, configs in rollout.readers(sides.manifest).items() if ref.name in configs)
        if readers and not read_while_running(ref):
            why = f"{listed(readers)} read it when they start"
            yield Effect(level="agents-restart", subject=str(ref), why=why)
    elif is_authority(new.manifest) and not same(old.manifest.get("data"), new.manifest.get("data")):
        why = (
            "certificates are signed by another authority; their holders trust each other again when all have new ones"
        )
        yield Effect(level="agents-restart", subject=str(ref), why=why)


def _other_config(ref: Ref, old: Rendered, new: Rendered) -> bool:
    named = ref.kind == "ConfigMap" and ref.name != CONFIG
    return named and not same(old.manifest.get("data"), new.manifest.get("data"))


def _fixed(ref: Ref, before: Manifest, after: Manifest) -> str:
    """The part that differs and that the API server keeps as it is; empty when there is none."""
    parts: Mapping[str, tuple[str, ...]] = {
        "DaemonSet": ("spec", "selector"),
        "Deployment": ("spec", "selector"),
        "Job": ("spec", "template"),
        "ClusterRoleBinding": ("roleRef",),
        "RoleBinding": ("roleRef",),
    }
    path = parts.get(ref.kind)
    if ref.kind == "Secret" and before.get("type", "Opaque") != after.get("type", "Opaque"):
        return "type"
    return path[-1] if path and not same(dig(before, *path), dig(after, *path)) else ""


# Versions


def _of_versions(sides: Sides) -> Iterator[Effect]:
    old, new = sides.version_before, sides.version
    up = rules.upwards(old, new)
    for step in rules.of_versions():
        text = step.why if up else step.back
        if not text or not step.crossed(old, new) or not _holds(step.only_if, sides):
            continue
        name = f"Cilium {step.step}" if step.step != "*" else f"Cilium {old} → {new}"
        yield Effect(level=step.level, subject=name, why=text, way=step.way if up or not step.why else "")


def _holds(condition: Mapping[str, str], sides: Sides) -> bool:
    old, new = _names(sides.old), _names(sides.new)
    if "added" in condition and not (condition["added"] in new and condition["added"] not in old):
        return False
    return not ("removed" in condition and not (condition["removed"] in old and condition["removed"] not in new))


def _names(objects: Objects) -> set[str]:
    return {f"{ref.kind}/{ref.name}" for ref in objects}


# Restarts


def _restarts(sides: Sides) -> Iterator[Restart]:
    for ref, item in sides.new.items():
        old = sides.old.get(ref)
        if old is None or ref.kind not in rollout.WORKLOADS:
            continue
        before, after = pod_template(old.manifest), pod_template(item.manifest)
        if not same(before, after):
            name = f"{ref.kind.lower()}/{ref.name}"
            yield Restart(workload=name, namespace=ref.namespace, by="rollout", why=what_differs(before, after))
    for workload in rollout.needed(sides.manifest_before, sides.manifest, sides.namespace):
        yield Restart(workload=str(workload), namespace=workload.namespace, by="ciliumctl", why=workload.why)


# Values


def _values(sides: Sides, fired: Mapping[Rule, Sequence[str]], levels: Mapping[Ref, Level]) -> Iterator[ValueChange]:
    before, after = dict(leaves(sides.config_before)), dict(leaves(sides.config))
    masker = Masker()
    used = Uses(sides.files)
    sources = {ref: item.source for ref, item in sides.new.items()}
    for text in difference(sides.config_before, sides.config):
        path = split(text)
        level = worst([rule.level for rule in fired if any(about(path, split(value)) for value in rule.values)])
        if level == "none":
            level = worst([levels[ref] for ref in levels if used.by(sources.get(ref, ""), path)])
        yield ValueChange(
            key=text,
            before=masker.value(before.get(path), path),
            after=masker.value(after.get(path), path),
            level=level,
        )


def subjects(effects: Iterable[Effect], least: Level) -> list[str]:
    """What is changed with effects of at least this level: for a question, or a refusal."""
    order = rules.LEVELS
    return [effect.subject for effect in effects if order.index(effect.level) >= order.index(least)]
