"""What came of a run: every probe, every scenario, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Outcome = Literal["passed", "failed", "skipped", "error", "flaky"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One probe's outcome. `paste` is the command that repeats it by hand; `phase` when in the scenario it ran.

    `denied`: it should not get through. `anywhere`: another node than the one that was asked may have answered.
    """

    name: str
    ok: bool
    source: str
    source_node: str
    target: str
    target_node: str
    address: str
    expected: str
    seen: str
    paste: str
    phase: str = ""
    denied: bool = False
    anywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One scenario's outcome. `reason` says why it was skipped, or what went wrong besides probes."""

    name: str
    about: str
    category: str
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    probes: tuple[Probed, ...] = ()
    evidence: tuple[str, ...] = ()
    attempts: int = 1

    @property
    def failures(self) -> tuple[Probed, ...]:
        """The probes that did not meet what was expected."""
        return tuple(probe for probe in self.probes if not probe.ok)

    @property
    def bad(self) -> bool:
        """Whether it speaks against the network, or could not be judged."""
        return self.outcome in {"failed", "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity:
    """The whole run. `seconds` by part: `setup`, `tests`, `cleanup`. `sysdump` is the file written after a failure.

    `left` are namespaces that could not be taken away. `late` says that the time was up before every scenario had run,
    `repeated` that this run was to repeat what failed in an earlier one.
    """

    kind: ClassVar[str] = "Connectivity"

    context: str
    namespace: str
    nodes: tuple[str, ...]
    families: tuple[int, ...]
    profile: str
    scenarios: tuple[Tested, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    execs: int = 0
    kept: bool = False
    left: tuple[str, ...] = ()
    late: bool = False
    repeated: bool = False
    patterns: tuple[str, ...] = ()
    sysdump: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and something was tested; or nothing is left to repeat of a run that was good."""
        if self.repeated and not self.scenarios:
            return True
        return not any(scenario.bad for scenario in self.scenarios) and self.count("passed") > 0

    def count(self, outcome: Outcome) -> int:
        """How many scenarios ended so; a flaky one passed."""
        found = Counter(scenario.outcome for scenario in self.scenarios)
        return found[outcome] + (found["flaky"] if outcome == "passed" else 0)

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios that failed, for `-o name`."""
        return tuple(scenario.name for scenario in self.scenarios if scenario.bad)


def patterns(scenarios: tuple[Tested, ...]) -> tuple[str, ...]:
    """What the failures of positive probes have in common: a direction between nodes, a node, a family.

    A network is mostly broken in one place; many red lines should say one thing.
    """
    probes = [probe for scenario in scenarios for probe in scenario.probes if not probe.denied]
    failed = [probe for probe in probes if not probe.ok]
    if not failed:
        return ()
    family = _family(probes, failed)
    if family is not None:
        probes = [probe for probe in probes if not probe.address or (":" in probe.address) is family]
    said = []
    directions, broken = _directions(probes), _directions(failed)
    for (source, target), count in sorted(broken.items()):
        all_of_them = directions[source, target]
        where = f"from {source} to {target}" if source != target else f"within {source}"
        if count == all_of_them and count > 1:
            said.append(f"nothing gets through {where}: all {count} probes failed")
        else:
            said.append(f"{where}: {count} of {all_of_them} probes failed")
    if family is not None:
        said.append("only IPv6 is affected" if family else "IPv6 is not affected")
    return tuple(said)


def _directions(probes: Sequence[Probed]) -> Counter[tuple[str, str]]:
    """How many probes went from which node to which, of those of which it is known."""
    known = (probe for probe in probes if probe.target_node and not probe.anywhere)
    return Counter((probe.source_node, probe.target_node) for probe in known)


def _family(probes: Sequence[Probed], failed: Sequence[Probed]) -> bool | None:
    """Whether IPv6 (or only IPv4) is what fails; `None` when it is both, or when only one was asked."""
    asked = {":" in probe.address for probe in probes if probe.address}
    affected = {":" in probe.address for probe in failed if probe.address}
    return affected.pop() if len(asked) == 2 and len(affected) == 1 else None
