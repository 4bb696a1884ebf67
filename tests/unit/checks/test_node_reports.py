from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.checks import all_of_them
from ciliumctl.checks._scene import Scene
from ciliumctl.nodefacts import NodeFacts, NodeReports, kernel
from ciliumctl.nodefacts.cniconf import parse
from ciliumctl.nodefacts.parsing import Socket
from ciliumctl.nodework import NodeRun
from tests.unit.checks.scenes import judge, scene

OPTIONS = dict.fromkeys(kernel.every_option(), "y")


def facts(node: str = "one", **more: Any) -> NodeFacts:
    return NodeFacts(node=node, **{"btf": True, "options": OPTIONS, "options_from": "/proc/config.gz", **more})


def reported(*nodes: NodeFacts, values: dict[str, Any] | None = None, others: tuple[NodeRun, ...] = ()) -> Scene:
    runs = (*(NodeRun(node=node.node, outcome="done") for node in nodes), *others)
    return scene(values=values, node_reports=NodeReports(facts=nodes, runs=runs, image="example.org/cilium:v1"))


EVERY = [check.id for check in all_of_them() if check.category == "node-reports"]


@pytest.mark.parametrize("name", EVERY)
def test_a_good_node_passes(name: str) -> None:
    assert judge(name, reported(facts())).outcome == "passed"


@pytest.mark.parametrize("name", EVERY)
def test_no_node_that_answered_is_never_a_pass(name: str) -> None:
    silent = NodeRun(node="one", outcome="failed", reason="image", detail="ErrImagePull: no such image")
    found = judge(name, reported(others=(silent,)))
    assert found.outcome == ("failed" if name == "CIL-HOST-001" else "skipped")


def test_one_silent_node_is_a_warning_with_its_reason() -> None:
    late = NodeRun(node="two", outcome="timed-out", reason="timed-out", detail="no report after 120 s")
    found = judge("CIL-HOST-001", reported(facts(), others=(late,)))
    assert (found.outcome, found.message) == ("warning", "1 of 2 nodes could not be looked at")
    assert found.findings[0].object == "Node//two"


def test_a_node_that_cannot_be_looked_at_by_nature_is_only_evidence() -> None:
    virtual = NodeRun(node="aci", outcome="skipped", reason="virtual", detail="a virtual node")
    found = judge("CIL-HOST-001", reported(facts(), others=(virtual,)))
    assert (found.outcome, found.evidence) == ("passed", ("aci was left out: a virtual node",))


def test_what_keeps_all_from_being_looked_at_is_a_failure_with_its_hint() -> None:
    looked = scene(node_reports=NodeReports(problem="no image is known", hint="`--node-image`"))
    found = judge("CIL-HOST-001", looked)
    assert (found.outcome, found.message, found.hint) == ("failed", "no image is known", "`--node-image`")


@pytest.mark.parametrize(
    ("name", "bad", "outcome"),
    [
        ("CIL-HOST-002", {"options": {}}, "failed"),
        ("CIL-HOST-003", {"btf": False}, "warning"),
        ("CIL-HOST-005", {"sysctls": {"net.core.bpf_jit_enable": "0"}}, "warning"),
        ("CIL-HOST-006", {"sockets": (Socket(protocol="tcp", address="::", port=9879, process="x"),)}, "failed"),
        ("CIL-HOST-007", {"cni_files": (parse("10-x.conflist", "{"),)}, "warning"),
        ("CIL-HOST-008", {"links": ("flannel.1",)}, "warning"),
        ("CIL-HOST-009", {"links": ("cilium_host",)}, "warning"),
    ],
)
def test_what_is_bad_on_one_node_is_a_finding_about_it(name: str, bad: dict[str, Any], outcome: str) -> None:
    found = judge(name, reported(facts("good"), facts("bad", **bad)))
    assert found.outcome == outcome
    assert {finding.object for finding in found.findings} == {"Node//bad"}
    assert found.message.startswith("1 of 2 nodes with")
    assert found.hint


def test_a_mount_is_missed_where_cilium_may_not_make_it() -> None:
    found = judge("CIL-HOST-004", reported(facts(), values={"bpf": {"autoMount": {"enabled": False}}}))
    assert (found.outcome, found.message) == ("failed", "1 of 1 node without a mount that Cilium may not make")


def test_a_kernel_that_does_not_tell_is_evidence() -> None:
    found = judge("CIL-HOST-002", reported(facts(options={}, options_from="")))
    assert found.outcome == "passed"
    assert found.evidence == ("the kernel of one does not tell its configuration",)
