"""What is asked for, what is used, what will be done and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ciliumctl import charts, cni, flavour, owners, status
from ciliumctl.clients.helm import Helm, Inputs, Release, SetFlag
from ciliumctl.clients.kube import Kube
from ciliumctl.clients.web import Web
from ciliumctl.defaults import REPOSITORY
from ciliumctl.report import Reporter

Outcome = Literal["installed", "unchanged", "continued", "dry-run", "taken-back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks for. `take_over` is for a Cilium that `kubectl apply` made.

    `beside` names the CNI that stays in charge meanwhile: that of a migration.
    """

    namespace: str
    release: str
    chart: charts.Request
    presets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    flags: tuple[SetFlag, ...] = ()
    detect: bool = True
    translate: bool = False
    take_over: bool = False
    beside: str = ""


def spelled(wanted: Wanted, verb: str, *, version: str = "") -> str:
    """The command line that asks `verb` for the same chart and values, with another version when given."""
    chart = wanted.chart
    words = ["ciliumctl", verb]
    if chart.chart:
        words += ["--chart", chart.chart]
    elif version or chart.version:
        words += ["--version", version or chart.version]
    if chart.repository != REPOSITORY:
        words += ["--repository", chart.repository]
    words += [part for file in wanted.files for part in ("-f", file)]
    words += [part for flag in wanted.flags for part in (f"--{flag.kind}", flag.text)]
    words += [part for name in wanted.presets for part in ("--preset", name)]
    return shlex.join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the work is done with."""

    helm: Helm
    web: Web
    cache: Path
    report: Reporter


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was seen of the cluster before anything was decided."""

    existing: Release | None
    owner: owners.Owner | None
    others: tuple[cni.OtherCni, ...]
    facts: flavour.Facts
    namespace_exists: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be installed. `config` is what Helm will keep as the release's values.

    `taken_over` says whose the Cilium is that becomes part of the release; empty where there is none.
    """

    wanted: Wanted
    chart: charts.Chart
    inputs: Inputs
    config: Mapping[str, Any]
    fingerprint: str
    detection: flavour.Detection | None = None
    changes: tuple[flavour.ClusterChange, ...] = ()
    needs: tuple[flavour.Need, ...] = ()
    namespace_exists: bool = True
    existing: Release | None = None
    survey: Survey | None = None
    taken_over: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What came of it. `manifest` is only there after a dry run."""

    kind: ClassVar[str] = "Installation"

    outcome: Outcome
    context: str
    namespace: str
    release: str
    revision: int
    version: str
    flavour: str
    values: Mapping[str, Any]
    changes: tuple[str, ...] = ()
    manifest: str = ""
    status: status.Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is there, and healthy where that was waited for."""
        return self.status is None or self.status.ok


def result_of(plan: Plan, kube: Kube, outcome: Outcome, *, revision: int, manifest: str = "") -> Installed:
    """The result, as far as the plan tells it."""
    return Installed(
        outcome=outcome,
        context=kube.context,
        namespace=plan.wanted.namespace,
        release=plan.wanted.release,
        revision=revision,
        version=plan.chart.version,
        flavour=plan.detection.flavour if plan.detection else "",
        values=plan.config,
        changes=tuple(change.info.title for change in plan.changes),
        manifest=manifest,
    )
