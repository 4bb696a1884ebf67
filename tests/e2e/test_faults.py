"""Of the scenarios that are asked, exactly those see a fault that must, and the report names the place.

Asked are those that a fault names: that it must be seen by them, or that it must not. The others may see it or not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.cluster import images
from tests.e2e.conftest import Nodes
from tests.e2e.faults import FAULTS, Fault
from tests.world.run import Ran

_IMAGE = ("--image", f"probe={images.PROBE}")
_TABLE: list[tuple[str, str, str, float]] = []


def run(nodes: Nodes, *arguments: str) -> Ran:
    return nodes.run("connectivity", "test", *_IMAGE, "-q", *arguments)


@pytest.fixture(scope="module")
def bed(cluster: Nodes, pytestconfig: pytest.Config) -> Iterator[Nodes]:
    """A healthy cluster with a bed that is kept; after all faults it is healthy again."""
    before = run(cluster, "--keep")
    assert before.code == 0, before.out
    yield cluster
    after = run(cluster, "--keep")
    assert cluster.run("connectivity", "cleanup", "--yes").code == 0
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        width = max((len(row[0]) for row in _TABLE), default=0)
        reporter.write_line("")
        for name, failed, about, seconds in _TABLE:
            reporter.write_line(f"{name:{width}}  {seconds:5.1f} s  {about}: {failed}")
    assert after.code == 0, after.out


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_seen_by_those_that_must_see_it_and_not_by_those_that_must_not(bed: Nodes, fault: Fault) -> None:
    names = [*fault.fails, *fault.passes]
    keep = ["--keep"] if fault.kept else []
    arguments = [*keep, "--test", f"^({'|'.join(map(re.escape, names))})$"]
    if not fault.kept:
        # Host ports are the nodes': pods that were kept would be in the way of new ones.
        assert bed.run("connectivity", "cleanup", "--yes").code == 0
    started = time.monotonic()
    with fault.inject(bed):
        found = run(bed, *arguments, "-o", "json")
    outcomes = {one["name"]: one["outcome"] for one in found.json["data"]["scenarios"]}
    failed = sorted(name for name, outcome in outcomes.items() if outcome in {"failed", "error"})
    _TABLE.append((fault.name, ", ".join(failed), fault.about, time.monotonic() - started))
    assert failed == sorted(fault.fails), _words(found)
    assert found.code == 1, found.err
    for words in fault.says:
        assert re.search(words, _words(found)), (words, _words(found))


def _words(ran: Ran) -> str:
    """What the report tells people, from its data."""
    lines = list(ran.json["data"]["patterns"])
    for scenario in ran.json["data"]["scenarios"]:
        lines.append(f"{scenario['name']}: {scenario['outcome']}: {scenario['reason']}")
        lines += [
            f"{probe['name']}: from {probe['source']} on {probe['source_node']} to {probe['target']}"
            f" on {probe['target_node']}: expected {probe['expected']}, seen: {probe['seen']}"
            for probe in scenario["probes"]
            if not probe["ok"]
        ]
        lines += scenario["evidence"]
    return "\n".join(lines)
