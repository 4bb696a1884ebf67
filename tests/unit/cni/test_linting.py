"""CNI configurations against the specification: each code by a file that has it, and none for files that are good."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.cni import codes, linting
from ciliumctl.cni.linting import Source
from ciliumctl.cni.positions import positions
from ciliumctl.nodefacts import cniconf

LOCAL = {"type": "host-local", "subnet": "10.1.2.0/24"}
BRIDGE = {"type": "bridge", "isGateway": True, "ipam": LOCAL}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def network(*plugins: Any, **more: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": list(plugins), **more}


def found(content: Any, name: str = "10-net.conflist", **options: Any) -> list[tuple[str, str]]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    result = linting.lint([Source(name=name, content=text)], **options)
    return [(finding.code, finding.subject) for finding in result.findings]


@pytest.mark.parametrize(
    "content",
    [
        network(BRIDGE, PORTMAP),
        # Flannel's own, of its manifest.
        network({"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}}, PORTMAP),
        # Cilium's, as its agent writes it.
        network({"type": "cilium-cni", "enable-debug": False, "log-file": "/var/run/cilium/cilium-cni.log"}),
        network(
            {"type": "calico", "nodename": "n", "mtu": 0, "ipam": {"type": "calico-ipam"}, "policy": {"type": "k8s"}}
        ),
        network(
            {"type": "ptp", "ipMasq": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]]}}
        ),
        network({"type": "macvlan", "master": "eth0", "ipam": {"type": "dhcp"}}),
        network(
            {
                "type": "vlan",
                "master": "eth0",
                "vlanId": 5,
                "ipam": {"type": "static", "addresses": [{"address": "10.1.2.3/24"}]},
            }
        ),
        network({"type": "somebodys-own", "anything": 1}),
        # Go reads keys in any case.
        network({"type": "bridge", "ISGATEWAY": True, "ipam": LOCAL}),
        network(BRIDGE, {"type": "bandwidth", "ingressRate": 1000, "ingressBurst": 1000}),
        {"cniVersion": "1.1.0", "name": "pods", "loadOnlyInlinedPlugins": False},
    ],
)
def test_nothing_is_found_in_a_good_file(content: dict[str, Any]) -> None:
    assert found(content) == []


CASES: list[tuple[str, Any, str]] = [
    ("CNI001", b'{"name": ', ""),
    ("CNI001", b"[" * 100_000, ""),
    ("CNI002", [1], ""),
    ("CNI003", b'{"cniVersion":"1.0.0","name":"a","name":"b","plugins":[{"type":"x"}]}', "name"),
    ("CNI101", {"name": "pods", "plugins": [BRIDGE]}, "cniVersion"),
    ("CNI102", network(BRIDGE, cniVersion="1.2.0"), "cniVersion"),
    ("CNI102", network(BRIDGE, cniVersion="1.1.0", cniVersions=["0.4.0", "9"]), "cniVersions[1]"),
    ("CNI103", network(BRIDGE, disableGC=True), "disableGC"),
    ("CNI104", {"cniVersion": "1.0.0", "plugins": [BRIDGE]}, "name"),
    ("CNI105", network(BRIDGE, name="my net"), "name"),
    ("CNI201", {"cniVersion": "1.0.0", "name": "pods"}, "plugins"),
    ("CNI201", network(), "plugins"),
    ("CNI202", network({"ipam": LOCAL}), "plugins[0].type"),
    ("CNI202", network("bridge"), "plugins[0]"),
    ("CNI203", network({"type": "/opt/cni/bin/bridge"}), "plugins[0].type"),
    ("CNI204", network(PORTMAP, BRIDGE), "plugins[0].type"),
    ("CNI205", network(BRIDGE, {"type": "macvlan"}), "plugins[1].type"),
    ("CNI206", network(BRIDGE, {"type": "host-local"}), "plugins[1].type"),
    ("CNI207", network(BRIDGE, {"type": "portmap"}), "plugins[1]"),
    ("CNI207", network(BRIDGE, {"type": "bandwidth"}), "plugins[1]"),
    ("CNI208", network({"type": "vlan", "master": "eth0", "ipam": LOCAL}), "plugins[0]"),
    ("CNI208", network({"type": "host-device"}), "plugins[0]"),
    ("CNI208", network({"type": "host-device", "device": "eth1", "hwaddr": "00:00:5e:00:53:01"}), "plugins[0]"),
    ("CNI209", network(BRIDGE | {"mtu": "1400"}), "plugins[0].mtu"),
    ("CNI209", network(BRIDGE | {"mtu": True}), "plugins[0].mtu"),
    ("CNI209", network(BRIDGE | {"capabilities": {"ips": "yes"}}), "plugins[0].capabilities.ips"),
    ("CNI209", network(BRIDGE | {"capabilities": ["ips"]}), "plugins[0].capabilities"),
    ("CNI209", network(BRIDGE, disableCheck="true"), "disableCheck"),
    ("CNI209", network(BRIDGE, cniVersion=1.0), "cniVersion"),
    ("CNI210", network(BRIDGE | {"isGatway": True}), "plugins[0].isGatway"),
    ("CNI210", network(BRIDGE | {"capabilities": {"portMapping": True}}), "plugins[0].capabilities.portMapping"),
    ("CNI211", network({"type": "macvlan", "mode": "bridged"}), "plugins[0].mode"),
    ("CNI212", network(BRIDGE | {"prevResult": {}}), "plugins[0].prevResult"),
    ("CNI301", network({"type": "ptp"}), "plugins[0]"),
    ("CNI302", network({"type": "ptp", "ipam": {"subnet": "10.1.2.0/24"}}), "plugins[0].ipam"),
    ("CNI302", network({"type": "ptp", "ipam": {"type": "portmap"}}), "plugins[0].ipam.type"),
    ("CNI303", network({"type": "ptp", "ipam": {"type": "host-local"}}), "plugins[0].ipam"),
    ("CNI303", network({"type": "ptp", "ipam": LOCAL | {"subnet": "10.1.2.3/24"}}), "plugins[0].ipam.subnet"),
    ("CNI303", network({"type": "ptp", "ipam": LOCAL | {"subnet": "10.1.2.0/31"}}), "plugins[0].ipam.subnet"),
    ("CNI303", network({"type": "ptp", "ipam": LOCAL | {"subnet": "10.1.2.0"}}), "plugins[0].ipam.subnet"),
    ("CNI304", network({"type": "ptp", "ipam": LOCAL | {"rangeStart": "10.1.3.1"}}), "plugins[0].ipam.rangeStart"),
    (
        "CNI304",
        network({"type": "ptp", "ipam": LOCAL | {"rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.5"}}),
        "plugins[0].ipam.rangeEnd",
    ),
    ("CNI304", network({"type": "ptp", "ipam": LOCAL | {"gateway": "10.1.3.1"}}), "plugins[0].ipam.gateway"),
    (
        "CNI305",
        network({"type": "ptp", "ipam": LOCAL | {"ranges": [[{"subnet": "10.1.0.0/16"}]]}}),
        "plugins[0].ipam.ranges[0][0].subnet",
    ),
    ("CNI306", network({"type": "ptp", "ipam": LOCAL | {"routes": [{"dst": "default"}]}}), "plugins[0].ipam.routes[0]"),
    (
        "CNI306",
        network({"type": "ptp", "ipam": LOCAL | {"routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]}}),
        "plugins[0].ipam.routes[0].gw",
    ),
    (
        "CNI307",
        network({"type": "ptp", "ipam": {"type": "static", "addresses": [{"address": "10.1.2.3"}]}}),
        "plugins[0].ipam.addresses[0]",
    ),
]


@pytest.mark.parametrize(("code", "content", "subject"), CASES)
def test_each_fault_has_its_code_and_its_place(code: str, content: Any, subject: str) -> None:
    assert (code, subject) in found(content)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("net.yaml", network(BRIDGE), "CNI004"),
        ("10-net.conf", network(BRIDGE), "CNI004"),
        ("10-net.conflist", {"cniVersion": "1.0.0", "name": "pods", **BRIDGE}, "CNI004"),
        ("10-net.conf", {"cniVersion": "1.0.0", "name": "pods", **BRIDGE}, "CNI106"),
    ],
)
def test_a_file_s_name_decides_how_it_is_read(name: str, content: dict[str, Any], code: str) -> None:
    assert code in [one for one, _subject in found(content, name)]


def test_one_plugin_in_a_file_is_good_before_1_0() -> None:
    assert found({"cniVersion": "0.4.0", "name": "pods", **BRIDGE}, "10-net.conf") == []


def test_programs_that_are_not_there_are_named_once_each() -> None:
    codes_of = found(network(BRIDGE, PORTMAP), programs=["bridge"])
    assert codes_of == [("CNI213", "plugins[0].ipam.type"), ("CNI213", "plugins[1].type")]


def test_every_code_is_tried_here() -> None:
    tried = {code for code, _content, _subject in CASES} | {"CNI004", "CNI106", "CNI213", "CNI401", "CNI402", "CNI403"}
    assert tried == set(codes.CODES)


def test_a_folder_names_the_file_that_runtimes_take() -> None:
    good = json.dumps(network(BRIDGE)).encode()
    sources = [
        Source(name="/etc/cni/net.d/00-broken.conflist", content=b"{", listed=True),
        Source(name="/etc/cni/net.d/10-a.conflist", content=good, listed=True),
        Source(name="/etc/cni/net.d/20-b.conflist", content=good, listed=True),
    ]
    result = linting.lint(sources)
    assert result.used == "/etc/cni/net.d/10-a.conflist"
    assert [(finding.code, finding.file) for finding in result.findings] == [
        ("CNI001", "/etc/cni/net.d/00-broken.conflist"),
        ("CNI402", "/etc/cni/net.d/10-a.conflist"),
        ("CNI401", "/etc/cni/net.d/20-b.conflist"),
    ]
    assert "CNI403" in [finding.code for finding in linting.lint(sources[:1]).findings]


def test_lines_are_those_of_the_file_with_tabs_and_all() -> None:
    text = '{\n\t"name": "pods",\n\t"cniVersion": "1.0.0",\n\t"plugins": [\n\t\t{"type": "x"},\n\t\t{\n\t\t\t"ipam": {}\n\t\t}\n\t]\n}'
    result = linting.lint([Source(name="-", content=text.encode())])
    assert [(finding.code, finding.line) for finding in result.findings] == [("CNI202", 6)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["name", "cniVersion", "plugins", "type", "ipam", "ranges", "subnet", "routes", "capabilities", "disableCheck", "x"]
)
WORDS = st.sampled_from(["bridge", "portmap", "host-local", "static", "10.1.2.0/24", "1.0.0", "pods", ""])
LIKELY = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(-1, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, LIKELY, max_size=6))
def test_it_never_fails_and_finds_an_error_where_runtimes_do(content: dict[str, Any]) -> None:
    text = json.dumps(content)
    name = "10-net.conflist" if "plugins" in content else "10-net.conf"
    result = linting.lint([Source(name=name, content=text.encode(), listed=True)])
    if cniconf.parse(name, text).problems:
        assert not result.ok


@given(st.binary(max_size=60))
def test_it_takes_any_bytes(content: bytes) -> None:
    linting.lint([Source(name="10-net.conflist", content=content, listed=True)])


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path}.union(*(_paths(one, (*path, key)) for key, one in inner))


@given(JSON, st.sampled_from([None, 1, "\t"]))
def test_every_member_has_a_line(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    where = positions(text)
    assert set(where.lines) == _paths(value)
    assert not where.twice
    assert all(1 <= line <= text.count("\n") + 1 for line in where.lines.values())
