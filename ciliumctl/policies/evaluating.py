"""What policies say to a connection: who decides, which rule, and why.

Nothing is asked of a cluster here. It goes as in Cilium, whatever kind a policy is of: deny rules win over all others;
what no rule allows is dropped where some policy isolates; a pod's own node reaches it unless a rule denies that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ciliumctl.connectivity.selecting import matches
from ciliumctl.policies.matching import Fit, Wire, fit, seen_by
from ciliumctl.policies.model import (
    Answer,
    Direction,
    Party,
    Passage,
    Protocol,
    Reason,
    Spec,
    State,
    Verdict,
)


def passage(
    state: State, source: Party, destination: Party, *, port: int | None = None, protocol: Protocol = "TCP"
) -> Passage:
    """What policies say to one connection at both of its ends."""
    return Passage(
        egress=verdict(state, source, destination, port=port, protocol=protocol, direction="egress"),
        ingress=verdict(state, source, destination, port=port, protocol=protocol, direction="ingress"),
    )


def verdict(
    state: State,
    source: Party,
    destination: Party,
    *,
    port: int | None = None,
    protocol: Protocol = "TCP",
    direction: Direction,
) -> Verdict:
    """What policies say to one connection at its source (`egress`) or at its destination (`ingress`).

    `port` is the one that the destination listens on, behind any service, and the type of the message for ICMP. Without
    one the answer is `unknown` where it depends on it. Replies are never asked about: they belong to the connection.
    """
    subject, peer = (source, destination) if direction == "egress" else (destination, source)
    said = _before(state, subject, peer)
    if said:
        return Verdict(answer="allowed", direction=direction, why=said)
    seen = seen_by(state, subject, peer)
    wire = Wire(subject=subject, peer=seen, target=destination, port=port, protocol=protocol)
    case = _Case(state=state, wire=wire, direction=direction, specs=selecting(state, subject))
    return case.judged()


def selecting(state: State, subject: Party) -> tuple[Spec, ...]:
    """The policies that are for somebody, in their order."""
    return tuple(spec for spec in state.specs if selects(spec, subject))


def selects(spec: Spec, subject: Party) -> bool:
    """Whether a policy is for somebody; the network policies of pods are for none that has its node's network."""
    if spec.on_nodes:
        return subject.kind == "node" and matches(spec.selector, subject.labels)
    namespaced = spec.policy.namespace
    mine = subject.kind == "pod" and (not namespaced or namespaced == subject.namespace)
    return mine and matches(spec.selector, subject.labels)


def _before(state: State, subject: Party, peer: Party) -> str:
    """Why no policy is asked at all; empty when they are."""
    if state.settings.mode == "never":
        return "the agents enforce no policy: `enable-policy` is `never`"
    if subject.kind == "node" and not state.settings.host_firewall:
        return f"{subject} has no policies: the host firewall is off, and those of pods are not for it"
    if subject.kind not in {"pod", "node"}:
        return f"{subject} is not in the cluster: no policy is asked there"
    if subject.kind == peer.kind and (subject.namespace, subject.name) == (peer.namespace, peer.name):
        return "it stays within the pod" if subject.kind == "pod" else "it stays on the node"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    state: State
    wire: Wire
    direction: Direction
    specs: tuple[Spec, ...]

    def judged(self) -> Verdict:
        denying, allowing = self._reasons(deny=True), self._reasons(deny=False)
        certain = [reason for reason in denying if not reason.unsure]
        if certain:
            return self._no(f"{certain[0]} denies it", certain)
        isolating = self._isolating()
        if not isolating and self.state.settings.mode != "always":
            return self._open(denying)
        sure = [reason for reason in allowing if not reason.unsure]
        if denying and (sure or self._own_node()):
            return self._perhaps(f"{denying[0]} may deny it: {denying[0].unsure}", [*denying, *sure])
        if sure:
            # The rule that asks for nothing else says more than one that does.
            best = sorted(sure, key=lambda reason: bool(reason.above))
            return self._made("allowed", f"{best[0]} allows it", best, self._above(best))
        if self._own_node():
            return self._made("allowed", "a pod's own node always reaches it, as its kubelet's probes must", [], ())
        unsure = [reason for reason in allowing if reason.unsure]
        if unsure:
            why = f"{unsure[0]} may allow it: {unsure[0].unsure}"
            return self._perhaps(why, [*unsure, *isolating])
        return self._shut(isolating)

    def _open(self, denying: Sequence[Reason]) -> Verdict:
        if denying:
            return self._perhaps(f"{denying[0]} may deny it: {denying[0].unsure}", denying)
        said = "no policy selects" if not self.specs else "no policy isolates"
        return self._made("allowed", f"{said} {self.wire.subject} for {self.direction}", [], ())

    def _shut(self, isolating: Sequence[Reason]) -> Verdict:
        subject = f"{self.wire.subject} for {self.direction}"
        if not isolating:
            return self._no(f"no rule allows it, and the agents isolate {subject}: `enable-policy` is `always`", ())
        names = list(dict.fromkeys(str(reason.policy) for reason in isolating))
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        verb = "isolate" if more else "isolates"
        return self._no(f"no rule allows it, and {names[0]}{more} {verb} {subject}", isolating)

    def _no(self, why: str, reasons: Sequence[Reason]) -> Verdict:
        subject = self.wire.subject
        pod = (subject.namespace, subject.name)
        if self.state.settings.audit or pod in self.state.audited:
            return self._made("audited", f"{why}; in audit mode it passes all the same", reasons, ())
        untold = self.state.untold.get(pod)
        limits = [f"no agent says whether {subject} is in audit mode: {untold}"] if untold else []
        return self._made("denied", why, reasons, limits)

    def _perhaps(self, why: str, reasons: Sequence[Reason]) -> Verdict:
        return self._made("unknown", why, reasons, ())

    def _made(self, answer: Answer, why: str, reasons: Sequence[Reason], limits: Sequence[str]) -> Verdict:
        return Verdict(
            answer=answer, direction=self.direction, why=why, rules=tuple(reasons), limits=(*limits, *self.state.limits)
        )

    def _above(self, allowing: Sequence[Reason]) -> tuple[str, ...]:
        # Where several rules allow a port, what one of them asks for is not asked of what another lets through.
        if not all(reason.above for reason in allowing):
            return ()
        asked = dict.fromkeys(reason.above for reason in allowing)
        return (f"the connection is let through, and {' or '.join(asked)} decide on what is said in it",)

    def _own_node(self) -> bool:
        wire, settings = self.wire, self.state.settings
        mine = "reserved:host" in wire.peer.labels and wire.subject.kind == "pod"
        return self.direction == "ingress" and mine and settings.local_host

    def _isolating(self) -> list[Reason]:
        return [
            Reason(effect="isolates", policy=spec.policy, path="" if spec.path == "spec" else spec.path)
            for spec in self.specs
            if self.direction in spec.isolates
        ]

    def _reasons(self, *, deny: bool) -> list[Reason]:
        return [_reason(spec, found) for spec, found in self._fits(deny=deny)]

    def _fits(self, *, deny: bool) -> Iterator[tuple[Spec, Fit]]:
        for spec in self.specs:
            for rule in spec.rules:
                if rule.direction == self.direction and rule.deny == deny:
                    found = fit(self.state, rule, self.wire)
                    if found is not None:
                        yield spec, found


def _reason(spec: Spec, found: Fit) -> Reason:
    return Reason(
        effect="denies" if found.rule.deny else "allows",
        policy=spec.policy,
        path=found.clause.path if found.clause is not None else found.rule.path,
        clause=found.clause.said if found.clause is not None else "everybody",
        port=found.port.said if found.port is not None else "",
        above=found.rule.above or (found.port.above if found.port is not None else ""),
        unsure=found.unsure,
    )
