"""The exporters of CNIs, recognised and read: the AWS VPC CNI's, Kubeskoop's, Calico's Felix. What they are is data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar

from ciliumctl import templates
from ciliumctl.clients.kube import DAEMON_SETS, Kube, Manifest, annotations_of, dig, labels_of, name_of, namespace_of
from ciliumctl.metrics import topics
from ciliumctl.metrics.scraping import Scraped, Scraper, Target, reading_of
from ciliumctl.metrics.topics import Topic, TopicRows
from ciliumctl.monitoring import targets
from ciliumctl.parallel import gather_all
from ciliumctl.report import Reporter
from ciliumctl.status.facts import Pod

#: How many pods of one exporter are read when nobody says which.
PODS_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """An exporter that can be recognised. `labels` are alternatives, each a list of pairs that all must be there."""

    name: str
    about: str
    labels: tuple[tuple[tuple[str, str], ...], ...]
    port: int = 0
    hint: str = ""
    topics: tuple[Topic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterState:
    """An exporter that is there: how many of its pods answered, and what they say."""

    name: str
    about: str
    workload: str
    port: int
    pods: int
    asked: int
    answered: int
    series: int
    topics: tuple[TopicRows, ...]
    errors: tuple[str, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CniMetrics:
    """What the exporters of CNIs say. `silent` are CNIs that are there and have none."""

    kind: ClassVar[str] = "CniMetrics"

    context: str
    seconds: float
    exporters: tuple[ExporterState, ...]
    silent: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all pods that were asked answered."""
        return all(one.answered == one.asked for one in self.exporters)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    exporter: Exporter
    workload: Manifest
    port: int
    pods: tuple[Pod, ...]


@cache
def known() -> tuple[tuple[Exporter, ...], tuple[Exporter, ...]]:
    """The exporters, and the CNIs without one."""
    data = templates.load("metrics/exporters.yaml")
    return tuple(map(_made, data["exporters"])), tuple(map(_made, data["silent"]))


def _made(entry: Mapping[str, Any]) -> Exporter:
    alternatives = (
        tuple((key, value) for key, _equals, value in (pair.partition("=") for pair in text.split(",")))
        for text in entry["labels"]
    )
    return Exporter(
        name=entry["name"],
        about=entry["about"],
        labels=tuple(alternatives),
        port=entry.get("port", 0),
        hint=entry.get("hint", ""),
        topics=tuple(topics.made(topic) for topic in entry.get("topics", ())),
    )


def look(
    kube: Kube,
    nodes: Sequence[str],
    interval: float,
    report: Reporter,
    pause: Callable[[float], None] = time.sleep,
) -> CniMetrics:
    """Recognise and read. One request, one more for each exporter that is there, and one for each pod and read."""
    exporters, without = known()
    sets = list(kube.objects(DAEMON_SETS))
    found = [(exporter, workload) for workload in sets for exporter in exporters if _is(exporter, workload)]
    listed = gather_all([partial(_pods, kube, exporter, workload) for exporter, workload in found])
    if listed:
        targets.check_nodes(nodes, [one.pods for one in listed])
    with report.step("Reading the exporters of CNIs") as step:
        scraper = Scraper(kube)
        first = [_read(scraper, one, nodes) for one in listed]
        wants_rates = [any(topic.counter for topic in one.exporter.topics) for one in listed]
        again = first
        if interval and any(wants_rates):
            step(f"again in {interval:g} s")
            pause(kube.deadline.left(interval))
            rates = zip(listed, wants_rates, first, strict=True)
            again = [_read(scraper, one, nodes) if wanted else had for one, wanted, had in rates]
        step.finish(f"{sum(one.error is None for some in again for one in some)} of {sum(map(len, again))} pods answer")
    states = tuple(_state(one, now, before) for one, now, before in zip(listed, again, first, strict=True))
    spans = [
        after.at - had.at
        for some, others in zip(again, first, strict=True)
        for after, had in zip(some, others, strict=True)
        if after.error is None and had.error is None
    ]
    silent = tuple(one.about for one in without if any(_is(one, workload) for workload in sets))
    return CniMetrics(context=kube.context, seconds=max(spans, default=0.0), exporters=states, silent=silent)


def _is(exporter: Exporter, workload: Manifest) -> bool:
    labels = labels_of(dig(workload, "spec", "template", default={}))
    return any(all(labels.get(key) == value for key, value in pairs) for pairs in exporter.labels)


def _pods(kube: Kube, exporter: Exporter, workload: Manifest) -> _Found:
    return _Found(
        exporter=exporter,
        workload=workload,
        port=_port(exporter, workload),
        pods=targets.pods_of(kube, namespace_of(workload), workload),
    )


def _port(exporter: Exporter, workload: Manifest) -> int:
    annotated = annotations_of(dig(workload, "spec", "template", default={})).get("prometheus.io/port", "")
    return int(annotated) if annotated.isdigit() else exporter.port


def _read(scraper: Scraper, found: _Found, nodes: Sequence[str]) -> list[Scraped]:
    asked = targets.chosen(found.pods, nodes, most=PODS_ASKED)
    return scraper.all(
        [
            Target(
                component=found.exporter.name,
                node=pod.node,
                namespace=namespace_of(found.workload),
                pod=pod.name,
                port=found.port,
            )
            for pod in asked
        ]
    )


def _state(found: _Found, now: Sequence[Scraped], before: Sequence[Scraped]) -> ExporterState:
    readings = [reading for one, had in zip(now, before, strict=True) if (reading := reading_of(one, had)) is not None]
    errors = tuple(dict.fromkeys(one.error.message for one in now if one.error is not None))
    return ExporterState(
        name=found.exporter.name,
        about=found.exporter.about,
        workload=f"{namespace_of(found.workload)}/{name_of(found.workload)}",
        port=found.port,
        pods=len(found.pods),
        asked=len(now),
        answered=len(readings),
        series=max((len(reading.now.samples) for reading in readings), default=0),
        topics=tuple(topics.summed(topic, readings, most=10) for topic in found.exporter.topics),
        errors=errors,
        hint=found.exporter.hint if errors else "",
    )
