"""Begin a migration: Cilium beside the other CNI, through the same installation as `ciliumctl install`.

What makes it stay beside is the preset `migration`, laid over everything the user gives; each node is taken over later
by a CiliumNodeConfig, which is made here and selects no node yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ciliumctl import installation, lock, status
from ciliumctl.clients.helm import SetFlag
from ciliumctl.clients.kube import Kube, Manifest, Resource
from ciliumctl.errors import NotFound, Refused, TimedOut, UsageError
from ciliumctl.installation import How, Means, Wanted
from ciliumctl.migration import breaking, ranges, state
from ciliumctl.migration.model import MigrationPlan, NewNetwork, Started
from ciliumctl.values import presets
from ciliumctl.values.paths import get, join, leaves
from ciliumctl.wait import poll

#: Where the chart's agents have the node's CNI configurations.
_CNI_FOLDER = "/host/etc/cni/net.d"
_FILE = "05-cilium.conflist"
# Seconds for the operator to make its kinds.
_KINDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What it takes to begin."""

    plan: MigrationPlan
    prepared: installation.Plan


def over(new: NewNetwork) -> dict[str, Any]:
    """The values that a migration needs, by their dotted paths; they win over the user's."""
    found: dict[str, Any] = {join(path): value for path, value in leaves(presets.load(breaking.PRESET).values)}
    found["tunnelPort"] = new.port
    for family in ranges.families(new.ranges):
        mine = [text for text in new.ranges if ranges.families([text]) == (family,)]
        found[f"ipam.operator.clusterPoolIPv{family}PodCIDRList"] = mine
        if family == 6:
            found["ipv6.enabled"] = True
        else:
            found["ipam.operator.clusterPoolIPv4MaskSize"] = new.block
    if 6 not in ranges.families(new.ranges):
        found["ipv6.enabled"] = False
    return found


def _flags(values: Mapping[str, Any]) -> tuple[SetFlag, ...]:
    """As `--set`, which Helm lays over files and over `--set-json`."""
    return tuple(SetFlag(kind="set", text=f"{key}={_text(value)}") for key, value in values.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ",".join(str(item) for item in value) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def prepare(kube: Kube, plan: MigrationPlan, wanted: Wanted, means: Means, storage: Resource, scratch: Path) -> Start:
    """Find out what is to be installed, changing nothing.

    Raises:
        Refused: the values do not let Cilium stay beside the other CNI, or an installation would refuse.
    """
    forced = over(plan.new)
    beside = replace(wanted, flags=(*wanted.flags, *_flags(forced)), beside=plan.old.name)
    prepared = installation.prepare(beside, kube, means, storage, scratch)
    for key, value in forced.items():
        there = get(prepared.config, tuple(key.split(".")))
        if there != value:
            raise UsageError(
                f"`{key}` must be {_text(value)} during a migration, and the values make it {there}",
                hint="leave out the `--set-string` or `--set-file` for it",
            )
    bad = [one for one in breaking.of_values(prepared.config) if one.severity == "refused"]
    if bad:
        raise Refused(bad[0].text, hint=bad[0].hint)
    return Start(plan=plan, prepared=prepared)


def start(kube: Kube, begin: Start, means: Means, how: How) -> Started:
    """Install Cilium beside the other CNI, wait until it is healthy, and make the CiliumNodeConfig.

    Run again, it goes on where it was stopped; a migration that has begun is left as it is.

    Raises:
        CiliumctlError: a step failed; the same command goes on.
    """
    plan, prepared = begin.plan, begin.prepared
    # Before the release: a run that is killed then finds the networks that it had chosen. Under the lock: of two that
    # begin at once, the second must not replace what the first one wrote.
    first = None if plan.begun else partial(_keep, kube, plan, how.holder.who)
    means.report.resume = "`ciliumctl migrate start` goes on; `ciliumctl uninstall` ends it before any node was moved"
    done = installation.install(prepared, kube, means, replace(how, wait=True, first=first))
    late = installation.late(done, how.deadline)
    if late is not None:
        raise late
    if done.status is not None and not done.status.ok:
        raise Refused(
            f"Cilium beside {plan.old.name} is not healthy: {status.summary(done.status)}",
            hint="`ciliumctl status` says more; mend it, then run `ciliumctl migrate start` again",
        )
    if not plan.begun and done.outcome == "unchanged":
        _keep_again(kube, begin, means, how)
    with means.report.step("Making the CiliumNodeConfig that takes over labelled nodes"):
        _config(kube, prepared)
    return _started(kube, begin, "unchanged" if done.outcome == "unchanged" else "started")


def _keep(kube: Kube, plan: MigrationPlan, who: str) -> None:
    state.write(kube, state.begun(plan.old, plan.new, ranges.families(plan.new.ranges), who))


def _keep_again(kube: Kube, begin: Start, means: Means, how: How) -> None:
    """The record of a release that is beside already, and whose record is lost: nothing was installed under a lock."""
    with lock.held(kube, how.holder, means.report):
        if state.read(kube) is None:
            _keep(kube, begin.plan, how.holder.who)


def dry_run(kube: Kube, begin: Start) -> Started:
    """What it would install."""
    return _started(kube, begin, "dry-run")


def _started(kube: Kube, begin: Start, outcome: Any) -> Started:
    wanted = begin.prepared.wanted
    return Started(
        outcome=outcome,
        context=kube.context,
        namespace=wanted.namespace,
        release=wanted.release,
        version=begin.prepared.chart.version,
        old=begin.plan.old,
        new=begin.plan.new,
        values=begin.prepared.config,
    )


def config_resource(kube: Kube) -> Resource | None:
    """The kind `CiliumNodeConfig` in the newest version that the server has. Two requests."""
    found = kube.kinds()
    versions = (found.get((f"cilium.io/{version}", "CiliumNodeConfig")) for version in ("v2", "v2alpha1"))
    return next((one for one in versions if one is not None), None)


def _config(kube: Kube, prepared: installation.Plan) -> None:
    """The operator makes the kind a moment after its start."""
    kind = poll(lambda: config_resource(kube), bool, deadline=kube.deadline.within(_KINDS), interval=1.0)
    if kind is None:
        raise TimedOut(
            "the kind CiliumNodeConfig is not there: Cilium's operator makes it when it starts",
            hint="`ciliumctl status` shows the operator; then run `ciliumctl migrate start` again",
        )
    kube.apply(kind, node_config(kind, prepared), prepared.wanted.namespace, force=True)


def cni_folder(values: Mapping[str, Any]) -> str:
    """Where an agent has its node's CNI configurations."""
    return str(get(values, ("cni", "hostConfDirMountPath")) or _CNI_FOLDER)


def node_config(kind: Resource, prepared: installation.Plan) -> Manifest:
    """Cilium's own guide has this object, by this name."""
    exclusive = get(prepared.config, ("cni", "exclusive"), default=True)
    return {
        "apiVersion": kind.api_version,
        "kind": "CiliumNodeConfig",
        "metadata": {"name": state.CONFIG, "labels": {"app.kubernetes.io/managed-by": "ciliumctl"}},
        "spec": {
            "nodeSelector": {"matchLabels": {state.LABEL: "true"}},
            "defaults": {
                "write-cni-conf-when-ready": f"{cni_folder(prepared.config)}/{_FILE}",
                "custom-cni-conf": "false",
                "cni-chaining-mode": "none",
                "cni-exclusive": str(exclusive).lower(),
            },
        },
    }


def end_config(kube: Kube, namespace: str) -> bool:
    """Delete it. Returns whether it was there."""
    kind = config_resource(kube)
    try:
        return kind is not None and kube.delete(kind, state.CONFIG, namespace)
    except NotFound:
        return False
