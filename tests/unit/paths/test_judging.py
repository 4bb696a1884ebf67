"""The first broken hop is the one that is broken, whatever else is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.paths import all_codes
from ciliumctl.paths.between import enforced
from ciliumctl.paths.facts import Entry, NodeFacts, ProbeFacts, Scene
from ciliumctl.paths.judging import judge, verdict
from ciliumctl.paths.model import TITLES, Place, Stage
from ciliumctl.paths.spelling import parse
from tests.unit.paths.scenes import HERE, THERE, agent, backend, behind, passes, pod, probed, tried, well


def stage(scene: Scene, name: str) -> Stage:
    return next(one for one in judge(scene) if one.id == name)


def broken(scene: Scene) -> str:
    return verdict(scene, judge(scene))[1].removeprefix("CIL-PATH-")


def test_all_well_gets_through_and_says_what_it_saw() -> None:
    stages = judge(well())
    assert [one.id for one in stages] == list(TITLES)
    assert {one.outcome for one in stages} == {"ok", "skip"}
    assert verdict(well(), stages) == ("it gets through from pod shop/web to pod/shop/db:8080", "")
    assert "encryption: wireguard" in stage(well(), "routing").evidence
    assert "routing: tunnel (vxlan)" in stage(well(), "routing").evidence


STILL = ProbeFacts(problem="not today")
_WEB, _DB = pod(HERE, "one", "192.0.2.10"), pod(THERE, "two", "192.0.2.20")
CASES: dict[str, Scene] = {
    "101": well(pods={HERE: replace(_WEB, trouble="ImagePullBackOff"), THERE: _DB}, probe=STILL),
    "102": well(pods={HERE: _WEB, THERE: replace(_DB, trouble="it has ended")}, probe=STILL),
    "201": well(wanted=parse("db.shop:80", "default", with_port=True), probe=probed(tried("no name"), name=())),
    "301": behind(backend()),
    "302": behind(),
    "303": behind(backend(ready=False), backend(21, ready=False)),
    "304": behind(backend(), backend=None),
    "305": behind(backend(), agents={"one": agent("one", frontend=0)}),
    "402": well(),
    "403": well(agents={"one": agent("one", 99), "two": agent("two", 8)}, probe=STILL),
    "501": well(policies={"pod shop/db": passes(egress="denied")}, probe=probed(tried("timeout"))),
    "502": well(policies={"pod shop/db": passes(ingress="denied")}, probe=probed(tried("timeout"))),
    "603": well(
        agents={"one": agent("one", peer="ICMP: timeout"), "two": agent("two", 8)}, probe=probed(tried("timeout"))
    ),
    "604": well(agents={"one": agent("one", tunnel="192.0.2.77"), "two": agent("two", 8)}, probe=STILL),
    "701": well(probe=probed(tried("refused"))),
    "702": well(probe=probed(tried("timeout"), home="open")),
    "703": behind(backend(), probe=probed(tried("timeout", "svc/shop/db"), tried("open", "backend"))),
    "704": well(probe=probed(tried("timeout"), home="timeout")),
    "705": well(probe=probed(tried("timeout"))),
}
CASES["301"] = replace(CASES["301"], service=replace(CASES["301"].service, port=0), backend=None)  # type: ignore[type-var]
CASES["402"] = replace(
    CASES["402"],
    probe=STILL,
    endpoints={key: replace(one, state="regenerating") for key, one in (well().endpoints or {}).items()},
)


@pytest.mark.parametrize("code", CASES)
def test_each_fault_has_its_code_a_sentence_and_a_hint(code: str) -> None:
    scene = CASES[code]
    assert broken(scene) == code
    (first,) = [one for one in judge(scene) if one.code == f"CIL-PATH-{code}"][:1]
    assert first.hint
    assert not first.message.endswith(".")


WARNINGS = {
    "103": (
        well(pods={HERE: pod(HERE, "one", "192.0.2.10"), THERE: pod(THERE, "two", "192.0.2.20", ready=False)}),
        "destination",
    ),
    "401": (well(endpoints={}), "identity"),
    "503": (well(policies={"pod shop/db": passes(ingress="unknown")}), "ingress"),
    "504": (
        well(
            agents={
                "one": agent(
                    "one", policy=(Entry(allows=True, direction="egress", identity=1, port=0, last=0, protocol="ANY"),)
                ),
                "two": agent("two", 8),
            }
        ),
        "egress",
    ),
    "601": (
        well(
            nodes={
                "one": NodeFacts(name="one", ready=True),
                "two": NodeFacts(name="two", ready=False, trouble="KubeletNotReady"),
            }
        ),
        "nodes",
    ),
    "602": (well(agents={"one": agent("one"), "two": agent("two", problem="its agent is not ready")}), "nodes"),
    "605": (well(agents={"one": agent("one", mtu=1500), "two": agent("two", 8, mtu=1450)}), "routing"),
    "706": (well(probe=probed(tried("silent"))), "probe"),
}


@pytest.mark.parametrize("code", WARNINGS)
def test_what_does_not_stop_a_packet_for_sure_is_a_warning(code: str) -> None:
    scene, where = WARNINGS[code]
    found = stage(scene, where)
    assert (found.outcome, found.code) == ("warn", f"CIL-PATH-{code}")
    assert broken(scene) == ""


def test_every_code_is_tried_here() -> None:
    assert {name.removeprefix("CIL-PATH-") for name in all_codes()} == {*CASES, *WARNINGS}


def test_what_gets_through_all_the_same_is_a_warning() -> None:
    scene = well(policies={"pod shop/db": passes(ingress="denied")})
    found = stage(scene, "ingress")
    assert (found.outcome, found.code) == ("warn", "CIL-PATH-502")
    assert found.message.endswith("it gets through all the same")
    assert verdict(scene, judge(scene)) == ("it gets through from pod shop/web to pod/shop/db:8080, with 1 warning", "")


def test_the_pair_of_nodes_is_named_only_where_policies_let_it_through() -> None:
    assert "from one to two" in stage(CASES["702"], "probe").message
    denied = replace(CASES["702"], policies={"pod shop/db": passes(ingress="denied")})
    assert stage(denied, "probe").code == "CIL-PATH-705"
    assert broken(denied) == "502"


def test_one_of_several_backends_that_is_denied_or_silent_is_a_warning() -> None:
    scene = behind(
        backend(),
        backend(21),
        policies={"a": passes(), "b": passes(ingress="denied")},
        probe=probed(tried("open", "svc/shop/db"), tried("open", "a"), tried("timeout", "b")),
    )
    assert stage(scene, "ingress").message.startswith("1 of 2 backends are denied")
    assert "not every backend does: b (timeout)" in stage(scene, "probe").message
    assert broken(scene) == ""
    scene = replace(
        scene, probe=probed(tried("timeout", "svc/shop/db"), tried("open", "a"), tried("refused", "b", port=9999))
    )
    assert stage(scene, "probe").code == "CIL-PATH-701"
    assert "`targetPort` of service shop/db" in stage(scene, "probe").hint


def test_without_cilium_the_other_hops_decide() -> None:
    scene = well(config=None, endpoints=None, agents={}, probe=probed(tried("timeout")))
    outcomes = {one.id: one.outcome for one in judge(scene)}
    assert (outcomes["identity"], outcomes["routing"], outcomes["nodes"]) == ("skip", "skip", "ok")
    assert "there is no Cilium" in stage(scene, "routing").message
    assert "between one and two" in stage(scene, "probe").message


def test_parts_that_may_not_be_read_are_skipped_with_the_reason() -> None:
    scene = well(policies={}, endpoints=None, failed={"policies": "no rights", "endpoints": "not for you"}, probe=None)
    assert (stage(scene, "egress").outcome, stage(scene, "egress").message) == (
        "skip",
        "policies cannot be read: no rights",
    )
    assert stage(scene, "identity").message == "not for you"
    assert verdict(scene, judge(scene))[0].endswith("no probe proves it")


def test_a_name_that_leads_elsewhere_than_to_its_service_is_told() -> None:
    scene = behind(
        backend(),
        wanted=parse("db.shop.svc:80", "default", with_port=True),
        probe=probed(tried("timeout"), name=("192.0.2.222",)),
    )
    assert stage(scene, "name").code == "CIL-PATH-201"
    fine = replace(scene, probe=probed(name=("192.0.2.100",)))
    assert stage(fine, "name").outcome == "ok"


def test_the_world_cannot_be_asked_from() -> None:
    scene = well(
        source=Place(said="world", kind="outside", name="world"),
        probe=ProbeFacts(problem="nothing can be asked from world"),
    )
    assert stage(scene, "source").message == "anything outside"
    assert stage(scene, "probe").outcome == "skip"


ROWS = st.lists(
    st.builds(
        lambda allows, direction, identity, port, protocol: Entry(
            allows=allows, direction=direction, identity=identity, port=port, last=port, protocol=protocol
        ),
        st.booleans(),
        st.sampled_from(("ingress", "egress")),
        st.sampled_from((0, 1, 7)),
        st.sampled_from((0, 80, 443)),
        st.sampled_from(("ANY", "TCP", "UDP")),
    ),
    max_size=6,
)


@given(ROWS)
def test_a_policy_map_denies_whatever_a_row_denies_and_allows_only_what_one_allows(rows: list[Entry]) -> None:
    mine = [one for one in rows if one.direction == "ingress"]
    allows = enforced(rows, "ingress", 7, 80, "TCP")
    fitting = [one for one in mine if one.identity in {0, 7} and one.port in {0, 80} and one.protocol in {"ANY", "TCP"}]
    assert allows == (not mine or (bool(fitting) and all(one.allows for one in fitting)))


@given(
    st.permutations(sorted(CASES)), st.sampled_from(("open", "timeout", "refused", "silent", "unreachable", "failed"))
)
def test_a_verdict_is_always_a_sentence_and_a_known_code(codes: list[str], outcome: str) -> None:
    scene = replace(CASES[codes[0]], probe=probed(tried(outcome)))
    sentence, code = verdict(scene, judge(scene))
    assert sentence
    assert (code in all_codes()) == bool(code)
    assert outcome != "open" or code == ""
