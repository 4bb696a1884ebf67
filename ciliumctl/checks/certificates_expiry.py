"""Hubble's certificates are valid, and for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, skipped
from ciliumctl.checks._scene import Scene
from ciliumctl.clients.kube import dig

_SOON = timedelta(days=30)


def _findings(scene: Scene) -> Iterator[Finding]:
    for one in scene.certificates:
        where = f"Secret/{scene.target.namespace}/{one.secret}"
        if one.until is None:
            text = f"`{one.secret}` {one.key} cannot be read: {one.problem}"
            yield Finding(text=text, severity="warning", object=where)
        elif one.until <= scene.now:
            yield Finding(text=f"`{one.secret}` {one.key} expired on {one.until:%Y-%m-%d}", object=where)
        elif one.until - scene.now < _SOON:
            days = (one.until - scene.now).days
            text = f"`{one.secret}` {one.key} expires on {one.until:%Y-%m-%d}, in {counted(days, 'day')}"
            yield Finding(text=text, severity="warning", object=where)


def _hint(scene: Scene, first: str) -> str:
    method = str(dig(scene.target.values, "hubble", "tls", "auto", "method") or "helm")
    if method == "cronJob":
        job = "create job --from=cronjob/hubble-generate-certs renew"
        return f"run its job now: `kubectl -n {scene.target.namespace} {job}`"
    if method == "certmanager":
        return f"look at cert-manager's own: `kubectl -n {scene.target.namespace} describe certificate`"
    renewed = scene.target.minor < (1, 18)
    if renewed:
        return "the upgrade makes new ones; relay and the agents take them after a restart"
    return (
        f"charts from 1.18 on never renew them: `kubectl -n {scene.target.namespace} delete secret {first}` right "
        "before the upgrade, and restart the agents and relay after it"
    )


def _look(scene: Scene) -> Verdict:
    if not scene.certificates:
        return skipped("there are no certificates of Hubble's yet")
    findings = list(_findings(scene))
    dates = [one.until for one in scene.certificates if one.until is not None]
    first = findings[0].object.rpartition("/")[2] if findings else ""
    return judged(
        findings,
        good=f"{counted(len(scene.certificates), 'certificate')}, the first of them valid until {min(dates):%Y-%m-%d}"
        if dates
        else "",
        bad="; ".join(finding.text for finding in findings[:2]),
        hint=_hint(scene, first),
    )


CERTIFICATES_EXPIRY = Check(
    id="CIL-TLS-001",
    category="certificates",
    title="Hubble's certificates are valid for another 30 days",
    why="With expired certificates relay reaches no agent, and Hubble shows nothing. The chart makes them for a year "
    "(three before 1.16). Until 1.17 each upgrade made new ones; since 1.18 they are kept, and so never renewed.",
    remedy="Delete the Secret right before an upgrade, which makes a new one, and restart the agents and relay. "
    "cert-manager and the chart's cron job renew by themselves.",
    look=_look,
    reads=("certificates",),
)
