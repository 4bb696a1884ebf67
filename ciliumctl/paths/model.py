"""What a look along a path comes to: a stage for each hop, and the first that is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ciliumctl.paths.codes import all_codes

Outcome = Literal["ok", "warn", "fail", "skip"]
#: The hops, in the order in which a packet meets them, and what they are called.
TITLES = {
    "source": "source",
    "destination": "destination",
    "name": "name",
    "service": "service",
    "identity": "identity",
    "egress": "policy out of the source",
    "ingress": "policy into the destination",
    "nodes": "nodes",
    "routing": "way between nodes",
    "probe": "probe",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One hop. `code` says what is wrong with it; empty where nothing is."""

    id: str
    outcome: Outcome
    message: str
    code: str = ""
    evidence: tuple[str, ...] = ()
    hint: str = ""

    @property
    def title(self) -> str:
        """What it is called."""
        return TITLES[self.id]


def fine(stage: str, message: str, *evidence: str) -> Stage:
    """As it should be."""
    return Stage(id=stage, outcome="ok", message=message, evidence=evidence)


def skipped(stage: str, reason: str, *evidence: str) -> Stage:
    """Not looked at, or of no matter here."""
    return Stage(id=stage, outcome="skip", message=reason, evidence=evidence)


def found(
    stage: str, code: str, message: str, *evidence: str, hint: str = "", outcome: Literal["warn", "fail"] = "fail"
) -> Stage:
    """Something is wrong; without a hint it is the code's."""
    meaning = all_codes()[f"CIL-PATH-{code}"]
    return Stage(
        id=stage,
        outcome=outcome,
        message=message,
        code=meaning.id,
        evidence=evidence,
        hint=hint or meaning.remedy,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One end: what was named, and what that is. `address` is the one that is asked, or that asks."""

    said: str
    kind: Literal["pod", "service", "node", "outside"]
    name: str
    namespace: str = ""
    node: str = ""
    address: str = ""
    host_network: bool = False

    def __str__(self) -> str:
        match self.kind:
            case "pod":
                return f"pod {self.namespace}/{self.name}"
            case "service":
                return f"service {self.namespace}/{self.name}"
            case "node":
                return f"node {self.name}"
            case _:
                return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path with all of its stages. `broken` is the code of the first broken hop, `verdict` says it in a sentence."""

    kind: ClassVar[str] = "Path"

    context: str
    source: Place
    destination: Place
    port: int
    protocol: str
    stages: tuple[Stage, ...]
    verdict: str
    broken: str = ""
    requests: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no hop is broken."""
        return not self.broken

    @property
    def names(self) -> tuple[str, ...]:
        """The codes of what was found, for `-o name`."""
        return tuple(stage.code for stage in self.stages if stage.code)
