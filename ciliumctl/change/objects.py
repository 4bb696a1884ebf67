"""The objects of a rendered manifest: what each is called, where it comes from, what is made anew every time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ciliumctl import templates, yaml_files
from ciliumctl.clients.kube import Manifest, dig, labels_of, name_of, namespace_of
from ciliumctl.values.paths import difference

# How many names a line has.
_NAMED = 6
_DOCUMENT = re.compile(r"^---[ \t]*$", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """What an object is called. The namespace is empty for what is not in one."""

    kind: str
    namespace: str
    name: str
    api_version: str = ""

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One object as Helm applies it. `source` is the template that it comes from."""

    ref: Ref
    manifest: Manifest
    source: str = ""


#: The objects of one manifest.
Objects = Mapping[Ref, Rendered]

# Kinds of the charts that are in no namespace; of other kinds a manifest that names none is in the release's.
_CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "CiliumClusterwideNetworkPolicy",
        "CiliumLoadBalancerIPPool",
        "ClusterIssuer",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingWebhookConfiguration",
    }
)


def parse(manifest: str, namespace: str) -> dict[Ref, Rendered]:
    """The objects by name, in the manifest's order; those without a namespace are in the release's.

    Two of the same name are one: the last, as when they are applied one after the other.
    """
    found: dict[Ref, Rendered] = {}
    for text in _DOCUMENT.split(manifest):
        source = _SOURCE.search(text)
        for document in yaml_files.parse_all(text):
            for item in _flat(document):
                ref = ref_of(item, namespace)
                found[ref] = Rendered(ref=ref, manifest=item, source=_within_chart(source[1] if source else ""))
    return found


def _flat(document: Any) -> Iterator[Manifest]:
    if not isinstance(document, Mapping):
        return
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _flat(item)
    elif document.get("kind"):
        yield document


def _within_chart(source: str) -> str:
    return source.split("/", 1)[1] if "/" in source else source


def ref_of(item: Manifest, namespace: str) -> Ref:
    """What an object of a manifest is called, its API version left out: an object keeps its name across versions."""
    kind = str(item.get("kind", ""))
    place = "" if kind in _CLUSTER_WIDE else namespace_of(item) or namespace
    return Ref(kind, place, name_of(item))


@cache
def _knowledge() -> Mapping[str, Any]:
    found: Mapping[str, Any] = templates.load("values/impact/objects.yaml")
    return found


def read_while_running(ref: Ref) -> bool:
    """Whether the pods that read it look again by themselves."""
    return any((ref.kind, ref.name) == (known["kind"], known["name"]) for known in _knowledge()["live"])


def when_rolled(ref: Ref) -> str:
    """What it means for the network that a workload's pods are replaced; empty when nothing is known."""
    return str(_knowledge()["rolls"].get(f"{ref.kind}/{ref.name}", ""))


def made_anew(item: Manifest) -> bool:
    """Whether it holds certificates that the chart makes anew when it is rendered."""
    known = _knowledge()["certificates"]
    marked = known["label"] in labels_of(item) or name_of(item) in known["names"]
    return item.get("kind") == "Secret" and marked and not is_authority(item)


def is_authority(item: Manifest) -> bool:
    """Whether it is the certificate authority, which the chart looks up and keeps."""
    return item.get("kind") == "Secret" and name_of(item) in _knowledge()["authorities"]


def pod_template(item: Manifest) -> Manifest:
    """What a workload makes its pods from; empty for anything else."""
    if item.get("kind") == "CronJob":
        return dig(item, "spec", "jobTemplate", "spec", "template", default={})
    if item.get("kind") in {"DaemonSet", "Deployment", "StatefulSet"}:
        return dig(item, "spec", "template", default={})
    return {}


def same(first: Any, second: Any) -> bool:
    """Whether two pieces of JSON say the same."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def images(template: Manifest) -> dict[str, str]:
    """The image of each container, by name."""
    spec: Manifest = dig(template, "spec", default={})
    every: list[Manifest] = [*dig(spec, "initContainers", default=[]), *dig(spec, "containers", default=[])]
    return {str(container.get("name")): str(container.get("image", "")) for container in every}


def listed(names: Sequence[str]) -> str:
    """Names in a row, the first few of them."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def what_differs(before: Manifest, after: Manifest) -> str:
    """What of a pod template differs, in a few words."""
    old, new = images(before), images(after)
    changed = {_short(new[name]): None for name in new if name in old and old[name] != new[name]}
    if changed:
        return f"image {listed(list(changed))}"
    paths = [path for path in difference(_keyed(before), _keyed(after)) if path]
    short = [re.sub(r"^spec\.", "", path) for path in paths]
    return listed(short) or "its template differs"


def _short(image: str) -> str:
    return image.split("@", 1)[0].rsplit("/", 1)[-1]


def _keyed(value: Any) -> Any:
    """Lists of named things as mappings, so that a difference says which of them it is in."""
    if isinstance(value, Mapping):
        return {str(key): _keyed(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return {str(item["name"]): _keyed(item) for item in value}
    return value
