"""Does an assertion hold? What was seen beside what the policies say: silence alone proves no policy."""

from __future__ import annotations

from ciliumctl.policies.model import Passage, Reason, Verdict
from ciliumctl.policies.trying.assertions import Assertion
from ciliumctl.policies.trying.probing import Seen
from ciliumctl.policies.trying.result import Outcome

_FORBIDDEN = 403
_BAD = 400
#: Hubble's reasons of drops that are a policy's doing (api/v1/flow/flow.proto).
BY_POLICY = frozenset({"POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED"})


def verdict(assertion: Assertion, seen: Seen, said: Passage, dropped: tuple[str, ...] | None) -> tuple[Outcome, str]:
    """Whether it holds, and why in a sentence. `dropped` are Hubble's reasons, `None` where it was not asked."""
    if assertion.expect == "allow":
        return _allowed(assertion, seen, said)
    outcome, why = _denied(assertion, seen, said, dropped)
    if outcome == "passed" and assertion.reason:
        return _reason(assertion.reason, dropped or (), why)
    return outcome, why


def _allowed(assertion: Assertion, seen: Seen, said: Passage) -> tuple[Outcome, str]:
    if seen.through and assertion.method:
        wanted = assertion.status
        if seen.status == wanted or (not wanted and seen.status < _BAD):
            return "passed", seen.said
        return "failed", f"it {seen.said}, and {wanted or 'an answer below 400'} was expected"
    if seen.through:
        return "passed", seen.said
    if seen.refused:
        return "failed", f"{seen.said}: no server listens there; no policy dropped it, for a drop is silent"
    if said.answer == "denied":
        return "failed", f"{seen.said}: {deciding(said).why}"
    if seen.silent:
        datagram = ", or the server does not answer datagrams" if assertion.protocol == "UDP" else ""
        return (
            "failed",
            f"{seen.said}, though policies do not deny it ({said.answer}): the path is broken{datagram}",
        )
    return "error", seen.said


def _denied(assertion: Assertion, seen: Seen, said: Passage, dropped: tuple[str, ...] | None) -> tuple[Outcome, str]:
    if seen.through:
        wanted = assertion.status or _FORBIDDEN
        if assertion.method and seen.status == wanted:
            return "passed", f"it {seen.said}: the proxy denied the request"
        return "failed", f"it {seen.said}: {_opens(said).why}"
    decides = deciding(said)
    if seen.refused:
        says = (
            "what the policies deny got there: a drop is silent"
            if said.answer == "denied"
            else f"no policy denies it ({decides.why})"
        )
        return "failed", f"{seen.said}: no server listens there, and {says}"
    if not seen.silent:
        return "error", seen.said
    if said.answer == "denied":
        return "passed", f"{seen.said}: {decides.why}"
    if said.answer == "unknown":
        return _undecided(seen, decides, dropped)
    return "failed", f"{seen.said}, but no policy denies it ({decides.why}): no server, or a broken path"


def _undecided(seen: Seen, decides: Verdict, dropped: tuple[str, ...] | None) -> tuple[Outcome, str]:
    """Silence where the objects do not tell: only a drop that Hubble saw proves that a policy did it."""
    proof = [one for one in dropped or () if one in BY_POLICY]
    if proof:
        return "passed", f"{seen.said}; Hubble says {', '.join(proof)}"
    hubble = "Hubble does not tell" if dropped is None else "Hubble saw no policy drop it"
    return "error", f"{seen.said}; whether a policy did it is not known: {decides.why}, and {hubble}"


def _reason(wanted: str, dropped: tuple[str, ...], why: str) -> tuple[Outcome, str]:
    if wanted in dropped:
        return "passed", f"{why}; Hubble says {wanted}"
    if dropped:
        return "failed", f"{why}, but Hubble says {', '.join(dropped)} and not {wanted}"
    return "error", f"{why}, but Hubble saw no drop of it, so the reason {wanted} is not proved"


def deciding(said: Passage) -> Verdict:
    """The end that decides: the one that denies, else the one that is not known, else the destination."""
    for answer in ("denied", "unknown", "audited"):
        for one in (said.egress, said.ingress):
            if one.answer == answer:
                return one
    return said.ingress if said.ingress.rules else said.egress


def _opens(said: Passage) -> Verdict:
    """Why it got through: the end that lets it through by a rule."""
    return said.ingress if said.ingress.rules else said.egress if said.egress.rules else said.ingress


def rule_of(said: Passage) -> str:
    """The rule that decides, in words; empty when none has a say."""
    rules: tuple[Reason, ...] = deciding(said).rules
    return str(rules[0]) if rules else ""
