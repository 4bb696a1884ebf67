"""Is Cilium monitored: which parts have metrics on, whether they answer, and who reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ciliumctl.clients.kube import CONFIG_MAPS, Kube
from ciliumctl.errors import Forbidden, NotFound
from ciliumctl.monitoring import scrapers, targets
from ciliumctl.monitoring.parts import DASHBOARD_LABEL, DASHBOARD_VALUE
from ciliumctl.monitoring.scrapers import Scraping
from ciliumctl.monitoring.targets import TargetState
from ciliumctl.report import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStatus:
    """Cilium's metrics and their readers. `findings` say what is missing; `dashboards` counts Grafana's ConfigMaps."""

    kind: ClassVar[str] = "MonitoringStatus"

    context: str
    namespace: str
    targets: tuple[TargetState, ...]
    scraping: Scraping
    dashboards: int
    findings: tuple[str, ...]
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether all that is on answers."""
        return all(one.well for one in self.targets)


def look(kube: Kube, namespace: str, nodes: Sequence[str], report: Reporter) -> MonitoringStatus:
    """Look at everything once: about twelve requests, and one for each pod that is asked.

    Raises:
        NotFound: nothing of Cilium is in the namespace. UsageError: there is no node of that name.
    """
    found = targets.find(kube, namespace)
    if not found.places:
        raise NotFound(
            f"nothing of Cilium runs in namespace `{namespace}`",
            hint="install it with `ciliumctl install`; `-n` names another namespace",
        )
    with report.step("Asking the parts of Cilium for their metrics") as step:
        answers = targets.ask(kube, namespace, found.places, nodes)
        asked = sum(map(len, answers.values()))
        step.finish(f"{sum(one.error is None for some in answers.values() for one in some)} of {asked} pods answer")
    scraping = scrapers.look(kube, namespace, found)
    states = tuple(targets.judge(place, answers[place.component], scraping.told(place)) for place in found.places)
    findings, hint = _findings(states, scraping)
    dashboards, lacking = _dashboards(kube, namespace)
    return MonitoringStatus(
        context=kube.context,
        namespace=namespace,
        targets=states,
        scraping=replace(scraping, lacking=(*scraping.lacking, *lacking)),
        dashboards=dashboards,
        findings=findings,
        hint=hint,
    )


def _dashboards(kube: Kube, namespace: str) -> tuple[int, tuple[str, ...]]:
    """How many of Grafana's ConfigMaps are there, only by their metadata (one is 319 kB); and why nobody knows."""
    labels = f"{DASHBOARD_LABEL}={DASHBOARD_VALUE},app.kubernetes.io/part-of=cilium"
    try:
        return len(list(kube.objects(CONFIG_MAPS, namespace, labels=labels, metadata_only=True))), ()
    except Forbidden as error:
        return 0, (f"dashboards: {error.message}",)


def _findings(states: Sequence[TargetState], scraping: Scraping) -> tuple[tuple[str, ...], str]:
    """What is missing for somebody to see metrics, and the command that mends the first of it."""
    found: list[str] = []
    hints: list[str] = []
    on = [one for one in states if one.state != "off"]
    off = [one.component for one in states if one.state == "off"]
    for one in states:
        if not one.well:
            silent = one.asked - one.answered
            found.append(f"metrics of {one.component} are on, and {silent} of {one.asked} pods do not answer")
            hints.append("`ciliumctl status` shows whether the pods are well")
    if off:
        found.append(f"metrics are off: {', '.join(off)}")
        hints.append("`ciliumctl monitoring enable` switches them on")
    readers = bool(scraping.prometheuses or scraping.programs)
    if on and not readers and not scraping.lacking:
        found.append("nothing that reads metrics was found in this cluster")
        hints.append("`ciliumctl monitoring deploy` starts a small Prometheus; `ciliumctl metrics top` needs none")
    untold = [one.component for one in on if not one.told]
    if untold and readers:
        found.append(f"no scraper is told of {', '.join(untold)}")
        hints.append("`ciliumctl monitoring enable` tells it")
    loose = [one for one in scraping.monitors if not one.taken_by]
    if loose:
        names = ", ".join(one.name for one in loose)
        found.append(f"no Prometheus selects these ServiceMonitors: {names}")
        hints.append(
            "`ciliumctl monitoring enable --labels KEY=VALUE` sets the labels that your Prometheus selects by; "
            "see `kubectl get prometheus -A -o jsonpath='{.items[*].spec.serviceMonitorSelector}'`"
        )
    return tuple(found), hints[0] if hints else ""
