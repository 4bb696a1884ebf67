"""Set and unset Cilium's settings through the Helm values: what `config set` makes of what was asked for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from ciliumctl.change import naming
from ciliumctl.change.impact import config_of
from ciliumctl.change.objects import parse
from ciliumctl.change.target import Target, aim, stored_chart
from ciliumctl.charts import Chart
from ciliumctl.clients.helm import Helm, Inputs, Release, SetFlag, SetKind
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import UsageError
from ciliumctl.report import Reporter
from ciliumctl.values import paths
from ciliumctl.values.paths import Path, get, split

_EXTRA = ("extraConfig",)
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One setting that is asked for: a Helm value, or a key of `cilium-config`. `value` is `None` to unset it."""

    key: str
    value: str | None = None


def wish_of(text: str) -> Wish:
    """What `KEY=VALUE` asks for. Raises `UsageError`."""
    key, equals, value = text.partition("=")
    if not equals and key:
        raise UsageError(f"`{text}` has no value", hint=f"write `{text}=VALUE`, such as `hubble.relay.enabled=true`")
    if not key:
        raise UsageError(f"`{text}` is no setting", hint="write KEY=VALUE, such as `hubble.relay.enabled=true`")
    return Wish(key=key, value=value)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What settings are worked on with."""

    kube: Kube
    helm: Helm
    found: Release
    scratch: File
    report: Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A key of `cilium-config`, and the Helm value that was found to render it."""

    key: str
    wish: Wish


def aimed(bench: Bench, wishes: Sequence[Wish]) -> tuple[Target, tuple[Translation, ...]]:
    """What the release would become, and which keys were translated to Helm values to get there.

    Raises:
        UsageError: no such value and no such key; the hint names the nearest.
    """
    chart = stored_chart(bench.found, bench.scratch)
    translated = []
    settled = []
    for wish in wishes:
        path = split(_plain(wish.key))
        if path[0] in _EXTRA and len(path) > 1:
            bench.report.warn(
                f"`{wish.key}` goes past the chart, and what it checks or sets besides",
                "use it for settings that the chart has no value for",
            )
        if naming.is_value(chart, path):
            settled.append(wish)
            continue
        found = _translated(bench, chart, wish)
        translated.append(Translation(key=wish.key, wish=found))
        settled.append(found)
    with bench.report.step("Rendering the change") as step:
        target = aim(bench.found, chart, _inputs(bench.found, settled), bench.helm)
        step.finish(f"values that change: {len(target.changed)}")
    return target, tuple(translated)


def _plain(key: str) -> str:
    """The path without an index, `a.b[0]` being a part of `a.b`."""
    return key.split("[", 1)[0]


def _inputs(found: Release, wishes: Sequence[Wish]) -> Inputs:
    generated: dict[str, Any] = copy.deepcopy(dict(found.config))
    flags = []
    for wish in wishes:
        path = split(_plain(wish.key))
        if wish.value is None:
            if get(generated, path, _MISSING) is not _MISSING:
                paths.remove(generated, path)
        else:
            # The ConfigMap takes nothing but text.
            kind: SetKind = "set-string" if path[0] in _EXTRA else "set"
            flags.append(SetFlag(kind=kind, text=f"{wish.key}={wish.value}"))
    return Inputs(generated=generated, flags=tuple(flags))


def _translated(bench: Bench, chart: Chart, wish: Wish) -> Wish:
    """The Helm value behind a key of `cilium-config`. Raises `UsageError`."""
    near = naming.nearest(chart, wish.key)
    unknown = UsageError(
        f"the chart {chart.version} has no value `{wish.key}`",
        hint=f"did you mean `{near}`?" if near else "`ciliumctl values show --all` shows those that it has",
    )
    if not naming.is_config_key(wish.key):
        raise unknown
    now = config_of(parse(bench.found.manifest, bench.found.namespace))
    extra = get(bench.found.config, (*_EXTRA, wish.key), _MISSING)
    if extra is not _MISSING:
        return Wish(key=f"extraConfig.{wish.key}", value=wish.value)
    with bench.report.step(f"Finding the value behind `{wish.key}`") as step:
        wanted = wish.value if wish.value is not None else _other(now.get(wish.key, ""))
        found = naming.values_behind(chart, wish.key, wanted, lambda path: _rendered(bench, chart, path, wanted), now)
        step.finish(found[0].key if found else "none", outcome="done" if found else "failed")
    if found:
        return Wish(key=found[0].key, value=wish.value)
    if wish.key in now:
        raise UsageError(
            f"no value of the chart {chart.version} makes `{wish.key}` be `{wanted}`",
            hint=f"look with `ciliumctl values show --all`; as a last resort set `extraConfig.{wish.key}`",
        )
    unknown.hint += f"; a setting that the chart does not know goes through `extraConfig.{wish.key}`"
    raise unknown


def _other(value: str) -> str:
    """A value to look for the Helm value with, when only the key is known."""
    return {"true": "false", "false": "true"}.get(value, value)


def _rendered(bench: Bench, chart: Chart, path: Path, value: str) -> Mapping[str, str]:
    groups = bench.kube.groups()
    text = bench.helm.render(
        bench.found.name,
        str(chart.path),
        Inputs(
            generated=bench.found.config, flags=(SetFlag(kind="set", text=f"{paths.join(path)}={_escaped(value)}"),)
        ),
        namespace=bench.found.namespace,
        kube_version=bench.kube.version(),
        api_versions=[f"{group}/{version}" for group, versions in groups.items() for version in versions],
    )
    return config_of(parse(text, bench.found.namespace))


def _escaped(value: str) -> str:
    return value.replace(",", "\\,")
