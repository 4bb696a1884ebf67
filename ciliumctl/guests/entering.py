"""Have a guest where a person wants to look around; what stands against it is said before anything is made."""

from __future__ import annotations

from dataclasses import dataclass

from ciliumctl.clients.kube import PODS, Kube, dig
from ciliumctl.errors import UsageError
from ciliumctl.guests.admission import Admission, admission, refused
from ciliumctl.guests.again import kept, same
from ciliumctl.guests.making import alone, beside, on_node
from ciliumctl.guests.model import Guest, How, Kind
from ciliumctl.guests.targets import Target
from ciliumctl.report import Reporter

#: A shorter life ends before anybody has looked.
SHORTEST = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where to look around. `node` and `host_network` are for a new pod; `namespace` is the one of pods for nodes."""

    target: Target
    namespace: str
    node: str = ""
    host_network: bool = False

    def check(self, how: How) -> None:
        """Refuse what would have no effect. Raises `UsageError`."""
        kind = self.target.kind
        if how.ttl < SHORTEST:
            raise UsageError(f"a life of {how.ttl:g} s is too short to look around", hint="write `--ttl 10m`")
        if kind != "new" and (self.node or self.host_network):
            raise UsageError(
                f"`--node` and `--host-network` are for a new pod, not for a {kind}",
                hint="`ciliumctl debug shell new --node NAME --host-network`",
            )
        if kind != "pod" and how.target:
            raise UsageError(
                "`--target` names a container of a pod that is there",
                hint="`ciliumctl debug shell pod/NAME --target …`",
            )


def enter(kube: Kube, wish: Wish, how: How, report: Reporter) -> Guest:
    """A guest that runs; one beside a pod's containers that is there already is used again, and a pod that was kept.

    Raises:
        UsageError: an option has no effect there. NotFound: there is no such pod, node or namespace.
        Forbidden: this user may not, or PodSecurity says no: with what it lets in.
        OutsideError: it will never run. TimedOut: it did not run in time.
    """
    wish.check(how)
    target = wish.target
    if target.kind == "pod":
        return _beside(kube, target, how, report)
    kind: Kind = "node" if target.kind == "node" else "pod"
    place = wish.namespace if kind == "node" else target.namespace
    node = target.name or wish.node
    again = kept(kube, place, how, kind=kind, node=node, host_network=wish.host_network)
    if again is not None:
        report.note(f"{again.words} runs already, and is used again")
        return again
    _tell(admission(kube, place, how, kind=kind, node=node, host_network=wish.host_network), how, report, kind, node)
    if kind == "node":
        return on_node(kube, target.name, how, report, place)
    return alone(kube, place, how, report, node=wish.node, host_network=wish.host_network)


def _beside(kube: Kube, target: Target, how: How, report: Reporter) -> Guest:
    there = kube.find(PODS, target.name, target.namespace)
    if there is not None and same(there, how) is None:
        node = dig(there, "spec", "nodeName", default="")
        answer = admission(kube, target.namespace, how, kind="ephemeral", pod=target.name, node=node)
        _tell(answer, how, report, "ephemeral", node)
    guest = beside(kube, target.namespace, target.name, how, report)
    if not guest.made:
        report.note(f"container `{guest.container}` runs already, and is used again")
    return guest


def _tell(answer: Admission, how: How, report: Reporter, kind: Kind, node: str) -> None:
    """Say what the namespace warns of. Raises `Forbidden` where it does not let the guest in."""
    for warning in answer.warnings:
        report.warn(warning)
    if not answer.ok:
        raise refused(answer, how, kind, node)
