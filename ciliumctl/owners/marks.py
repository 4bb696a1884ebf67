"""Owners that are told by one mark on the agents' DaemonSet, as a table has them; and what kubectl applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.kube import DAEMON_SETS, Kube, Manifest, annotations_of, dig, labels_of, name_of, namespace_of
from ciliumctl.owners.model import Intention, Owner, deployer, described, hints

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ADOPT = "make it part of a Helm release: `ciliumctl install --take-ownership -f VALUES`"
_TAG = re.compile(r":v(\d+\.\d+\.\d+[^@]*)")
_ORIGIN = "config.kubernetes.io/origin"


def of_marks(agent: Manifest) -> Owner | None:
    """The first tool of the table whose mark is there."""
    for entry in templates.load("owners.yaml"):
        seen = _seen(entry, agent)
        if seen:
            value = labels_of(agent).get(entry.get("label", ""), "")
            said: dict[Intention, str] = {
                intention: text.format(value=value, namespace=namespace_of(agent))
                for intention, text in _hints_of(entry).items()
            }
            return Owner(tool=entry["tool"], evidence=(f"{seen} {described(agent)}",), hints=said)
    return None


def _hints_of(entry: Mapping[str, Any]) -> dict[Intention, str]:
    special: Mapping[Intention, str] = entry.get("for", {})
    return {**hints(entry["hint"]), **special}


def _seen(entry: Mapping[str, Any], agent: Manifest) -> str:
    """What of the entry is seen, as the start of a sentence; empty for nothing."""
    labels, annotations = labels_of(agent), annotations_of(agent)
    label, annotation = entry.get("label", ""), entry.get("annotation", "")
    if label in labels and fnmatchcase(labels[label], entry.get("value", "*")):
        return f"label `{label}` on"
    if annotation and annotation in annotations:
        return f"annotation `{annotation}` on"
    manager = deployer(agent)[0]
    if any(fnmatchcase(manager, pattern) for pattern in entry.get("managers", ())):
        return f"`{manager}` wrote"
    return "there is" if name_of(agent) == entry.get("daemonset") else ""


def of_kubectl(kube: Kube, agent: Manifest) -> Owner | None:
    """`kubectl apply`, of a rendered chart, or of a kustomization; one request more for the former's version."""
    labels, annotations = labels_of(agent), annotations_of(agent)
    manager, operation = deployer(agent)
    applied = manager == "kubectl-client-side-apply" or (manager == "kubectl" and operation == "Apply")
    if _APPLIED not in annotations and not applied:
        return None
    seen = f"annotation `{_APPLIED}` on" if _APPLIED in annotations else f"`{manager}` wrote"
    if _ORIGIN in annotations or labels.get("app.kubernetes.io/managed-by", "").startswith("kustomize"):
        return Owner(
            tool="Kustomize (`kubectl apply -k`)",
            evidence=(f"{seen} {described(agent)}", "Kustomize's marks on it"),
            hints=hints(
                install=f"change the kustomization and `kubectl apply -k DIR --server-side`, or {_ADOPT}",
                otherwise="change the kustomization, then `kubectl apply -k DIR --server-side`",
                rollback="take back the change of the kustomization, then `kubectl apply -k DIR --server-side`",
                uninstall="`kubectl delete -k DIR`",
            ),
            adoptable=True,
        )
    place = namespace_of(agent)
    render = f"`ciliumctl install --export manifests -n {place} --version {{}} -f VALUES{{}} | kubectl {{}} -f -`"
    again = f"apply the changed manifest: {render.format('VERSION', '', 'apply --server-side')}"
    # With the Namespace would go all that others have in it.
    removal = render.format(_version(kube, agent) or "VERSION", " --no-export-namespace", "delete --ignore-not-found")
    return Owner(
        tool="`kubectl apply`",
        evidence=(f"{seen} {described(agent)}",),
        hints=hints(
            again,
            install=f"{again}, or {_ADOPT}",
            rollback="apply the earlier manifest again: `kubectl apply --server-side -f FILE`",
            uninstall=f"delete what the manifest made, and nothing else in its namespace: {removal}",
        ),
        adoptable=True,
    )


def _version(kube: Kube, agent: Manifest) -> str:
    """Cilium's version by the agents' image; empty where that does not say it."""
    whole = kube.find(DAEMON_SETS, name_of(agent), namespace_of(agent)) or {}
    containers: list[Manifest] = dig(whole, "spec", "template", "spec", "containers", default=[])
    found = (_TAG.search(str(one.get("image", ""))) for one in containers)
    return next((match[1] for match in found if match is not None), "")


def of_nobody_known(agent: Manifest) -> Owner:
    """No mark of Helm, and none of anybody else."""
    manager = deployer(agent)[0]
    place = namespace_of(agent)
    return Owner(
        tool="something other than Helm",
        evidence=(
            f"{described(agent)} has no mark of a Helm release",
            *([f"`{manager}` wrote it"] if manager else []),
        ),
        hints=hints(
            f"look who made it: `kubectl get -n {place} ds {name_of(agent)} -o yaml --show-managed-fields`",
        ),
    )
