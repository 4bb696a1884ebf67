"""Options that the policy commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.options import option
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.clients.kube import Kube

#: Of policies. Cilium's own is the global option of this name, which stands before the command.
Namespace = Annotated[
    str, option("--namespace", "-n", metavar="NAME", help="Namespace of the policies (default: every one)")
]


def pod(word: str, namespace: str) -> tuple[str, str]:
    """`pod/NAME`, `pod/NAMESPACE/NAME` or `NAME` as (namespace, name). Raises `UsageError`."""
    from ciliumctl import naming

    named = naming.read(word if "/" in word else f"pod/{word}", namespace)
    if named is None or named.kind != "pod":
        raise UsageError(f"`{word}` is no pod", hint="write `pod/NAME` or `pod/NAMESPACE/NAME`")
    return named.namespace, named.name


def nodes_of(kube: Kube, pods: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The nodes that pods run on; one request each. Raises `NotFound`."""
    from ciliumctl.clients.kube import PODS, dig
    from ciliumctl.errors import NotFound

    found = []
    for place, name in pods:
        there = kube.find(PODS, name, place)
        if there is None:
            raise NotFound(
                f"there is no pod `{name}` in namespace `{place}`", hint=f"`kubectl get pods -n {place}` lists them"
            )
        found.append(dig(there, "spec", "nodeName", default=""))
    return tuple(dict.fromkeys(filter(None, found)))
