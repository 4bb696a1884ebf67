"""Read what the chosen checks look at: every part once, all at the same time, nothing that no check reads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ciliumctl import charts, flavour, owners, permissions
from ciliumctl.checks._model import Check
from ciliumctl.checks._scene import Scene, Target
from ciliumctl.clients.helm import Helm, Inputs, Release
from ciliumctl.clients.kube import SECRETS, Kube, Manifest, Resource
from ciliumctl.clients.web import Web
from ciliumctl.cni import OtherCni
from ciliumctl.errors import (
    CiliumctlError,
    HelmFailed,
    HelmTimedOut,
    TimedOut,
    TlsFailed,
    Unauthorized,
    Unreachable,
)
from ciliumctl.nodefacts import NodeReports
from ciliumctl.parallel import beside, gather
from ciliumctl.preflight import parts
from ciliumctl.report import Reporter
from ciliumctl.values.paths import merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Using:
    """What a run works with. `address` is added to the environment of other people's checks."""

    helm: Helm
    web: Web
    cache: Path
    report: Reporter
    environ: Mapping[str, str] = field(default_factory=dict)
    address: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is to be installed, and what is known of the cluster before the checks look.

    `manifest` is the rendered text where somebody rendered it already, `allowed` whether this user has every
    right where that was asked already. `request` is what the chart was asked for with.
    """

    namespace: str
    release: str
    chart: charts.Chart
    inputs: Inputs
    config: Mapping[str, Any]
    facts: flavour.Facts
    flavour: str = "unknown"
    existing: Release | None = None
    owner: owners.Owner | None = None
    others: tuple[OtherCni, ...] = ()
    request: charts.Request = field(default_factory=charts.Request)
    storage: Resource = SECRETS
    manifest: str = ""
    allowed: bool = False
    node_reports: NodeReports | None = None

    @property
    def target(self) -> Target:
        """What the checks are told of it."""
        return Target(
            namespace=self.namespace,
            release=self.release,
            version=self.chart.version,
            kube_version=self.chart.kube_version,
            values=merge(self.chart.values, self.config),
            crds=parts.crds_of(self.chart),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look came to: the scene, and the seconds that each part took."""

    scene: Scene
    seconds: Mapping[str, float]


#: Parts that are made of others, with those others: they are read in a second round.
_MADE_OF: Mapping[str, tuple[str, ...]] = {
    "sent": ("manifest", "kinds", "namespaces"),
    "missing_rights": ("manifest", "kinds"),
    "orphans": ("crds", "kinds"),
    "stored_versions": ("crds",),
    "published": ("manifest",),
    "endpoint_problem": (),
}


def look(kube: Kube, subject: Subject, using: Using, checks: Iterable[Check], *, check_images: bool = False) -> Look:
    """Read the parts that `checks` judge. A part that cannot be read is in the scene's failures.

    Raises:
        TimedOut: the command's time is up.
        ClusterError: the cluster no longer answers, or no longer knows this user.
    """
    wanted = {name for check in checks for name in check.reads if name != "node_reports"}
    if subject.allowed:
        wanted.discard("missing_rights")
    if not check_images:
        wanted.discard("published")
    wanted |= {name for part in wanted for name in _MADE_OF.get(part, ())}
    base = _base(kube, subject)
    reader = _Reader(kube, subject, using, base)
    first = [name for name in sorted(wanted) if name not in _MADE_OF]
    reader.read(first)
    reader.read([name for name in sorted(wanted) if name in _MADE_OF])
    return Look(scene=reader.scene(), seconds=reader.seconds)


def _base(kube: Kube, subject: Subject) -> Scene:
    return Scene(
        context=kube.context,
        host=kube.host,
        target=subject.target,
        flavour=subject.flavour,
        facts=subject.facts,
        existing=subject.existing,
        owner=subject.owner,
        others=subject.others,
        now=datetime.now(UTC),
        node_reports=subject.node_reports,
    )


#: With these there is nothing more to look at: the time is up, or nobody answers.
_ENDS = (TimedOut, HelmTimedOut, Unreachable, TlsFailed, Unauthorized)


class _Reader:
    """Reads parts in rounds, and keeps what each came to."""

    def __init__(self, kube: Kube, subject: Subject, using: Using, base: Scene) -> None:
        self._kube = kube
        self._subject = subject
        self._using = using
        self._base = base
        self._found: dict[str, Any] = {}
        self._failures: dict[str, CiliumctlError] = {}
        self.seconds: dict[str, float] = {}

    def read(self, names: list[str]) -> None:
        """One round: all of them at the same time."""
        for name in names:
            broken = [part for part in _MADE_OF.get(name, ()) if part in self._failures]
            if broken:
                self._failures[name] = self._failures[broken[0]]
        names = [name for name in names if name not in self._failures]
        for name, result in self._results(names):
            if isinstance(result, _ENDS):
                raise result
            if isinstance(result, CiliumctlError):
                self._failures[name] = result
            elif isinstance(result, Exception):
                raise result
            else:
                self._found[name] = result

    def _results(self, names: list[str]) -> list[tuple[str, Any]]:
        """What each came to. Helm runs on this thread: an interrupt reaches it there, and stops it."""
        others = [name for name in names if name != "manifest"]
        reading = partial(gather, [partial(self._timed, name) for name in others])
        if "manifest" not in names:
            return list(zip(others, reading(), strict=True))
        rendered, found = beside(self._rendered, reading)
        return [("manifest", rendered), *zip(others, found, strict=True)]

    def _rendered(self) -> Any:
        try:
            return self._timed("manifest")
        except CiliumctlError as error:
            return error

    def _timed(self, name: str) -> Any:
        start = time.monotonic()
        try:
            return self._reader_of(name)()
        finally:
            self.seconds[name] = time.monotonic() - start

    def _reader_of(self, name: str) -> Callable[[], Any]:
        kube, subject, found, base = self._kube, self._subject, self._found, self._base
        target, present = base.target, base.present
        readers: dict[str, Callable[[], Any]] = {
            "manifest": self._manifest,
            "kinds": kube.kinds,
            "namespaces": partial(parts.namespaces, kube),
            "nodes": partial(parts.nodes, kube),
            "crds": partial(parts.crds, kube),
            "service_ranges": partial(parts.service_ranges, kube, subject.facts),
            "releases": partial(parts.releases, kube, subject.release, subject.storage),
            "leftovers": partial(parts.leftovers, kube),
            "pods": partial(parts.pods, kube, present=present),
            "certificates": partial(parts.certificates, kube, target.namespace, present=present),
            "fqdn_policies": partial(parts.fqdn_policies, kube, base.version, target.version),
            "cni_configs": partial(parts.cni_configs, kube, subject.others),
            "newest_patch": partial(self._newest_patch, base),
            "value_findings": partial(parts.value_findings, subject.config, subject.chart, base.version),
            "sent": lambda: parts.sent(kube, found, target.namespace),
            "missing_rights": lambda: parts.missing_rights(kube, found, target.namespace),
            "orphans": lambda: parts.orphans(kube, found, target),
            "stored_versions": lambda: parts.stored_versions(kube, found, target),
            "published": lambda: parts.published(self._using.web, found),
            "endpoint_problem": partial(parts.endpoint_problem, self._using.web, base),
        }
        return readers[name]

    def _manifest(self) -> tuple[Manifest, ...]:
        """The objects of the manifest, rendered for this cluster."""
        subject = self._subject
        text = subject.manifest or self._using.helm.render(
            subject.release,
            str(subject.chart.path),
            subject.inputs,
            namespace=subject.namespace,
            kube_version=subject.facts.kubernetes,
            api_versions=[
                f"{group}/{version}" for group, versions in self._kube.groups().items() for version in versions
            ],
        )
        try:
            return tuple(permissions.documents(text))
        except yaml.YAMLError as error:
            raise HelmFailed("what the chart renders is no YAML", detail=str(error)) from error

    def _newest_patch(self, base: Scene) -> str:
        """The newest patch of the minor version that is there; empty when it is not known within two seconds."""
        request = self._subject.request
        if request.chart or request.repository.startswith("oci://") or not (0, 0) < base.minor < base.target.minor:
            return ""
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()

        def ask() -> None:
            quiet = Reporter(lambda _event: None)
            try:
                entries = charts.index(request.repository, web=self._using.web, cache=self._using.cache, report=quiet)
                wanted = f"{base.minor[0]}.{base.minor[1]}"
                answers.put(charts.pick(entries, wanted, request.repository).version)
            except CiliumctlError:
                answers.put("")

        threading.Thread(target=ask, daemon=True).start()
        try:
            return answers.get(timeout=charts.LOOK_UP_SECONDS)
        except queue.Empty:
            return ""

    def scene(self) -> Scene:
        """All of it."""
        fields = {name: value for name, value in self._found.items() if name != "kinds"}
        return replace(self._base, **fields, failures=self._failures)
