from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.nodefacts import parse
from ciliumctl.nodefacts.parsing import Chain, Mount, Socket

REPORT: dict[str, Any] = {
    "ciliumctl": "collect",
    "node": "one",
    "time": 1795705913,
    "release": "6.1.0-20-amd64\n",
    "machine": "x86_64",
    "kernel_config_file": "/boot/config-6.1.0-20-amd64",
    "kernel_config": "CONFIG_BPF=y\nCONFIG_VXLAN=m\n# CONFIG_NETKIT is not set",
    "btf": "yes",
    "mounts": "30 24 0:26 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700\n"
    "29 24 0:25 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw",
    "sysctls": "net/ipv4/ip_forward 1\nnet/ipv4/conf/all/rp_filter 2",
    "sockets": "tcp 0100007F:1090 101\nudp 00000000:2118 0\ntcp6 00000000000000000000000001000000:1090 102",
    "socket_owners": "101 4321 node_exporter",
    "cni_files": [{"name": "10-x.conf", "text": '{"name":"x","type":"bridge"}'}],
    "cni_plugins": "bridge\nloopback",
    "links": "lo\neth0",
    "chains": "iptables-nft filter CILIUM_FORWARD",
    "rules": "-4 9:\tfrom all fwmark 0x200/0xf00 lookup 2004",
    "processes": "cilium-agent",
}


def test_a_report_becomes_facts() -> None:
    facts = parse("one", json.dumps(REPORT))
    assert (facts.kernel, facts.machine, facts.btf, facts.time) == ("6.1.0-20-amd64", "x86_64", True, 1795705913.0)
    assert facts.options == {"BPF": "y", "VXLAN": "m"}
    assert facts.options_from == "/boot/config-6.1.0-20-amd64"
    assert facts.mounts == (Mount(path="/sys/fs/bpf", kind="bpf"), Mount(path="/sys/fs/cgroup", kind="cgroup2"))
    assert facts.sysctls["net.ipv4.conf.all.rp_filter"] == "2"
    assert facts.chains == (Chain(variant="iptables-nft", table="filter", name="CILIUM_FORWARD"),)
    assert facts.cni_files[0].plugins == ("bridge",)
    assert facts.agent


def test_addresses_and_owners_of_sockets_are_read() -> None:
    assert parse("one", json.dumps(REPORT)).sockets == (
        Socket(protocol="tcp", address="127.0.0.1", port=4240, process="node_exporter"),
        Socket(protocol="udp", address="0.0.0.0", port=8472),  # noqa: S104 - what the node said
        Socket(protocol="tcp6", address="::1", port=4240),
    )


def test_a_file_without_options_tells_nothing() -> None:
    assert parse("one", json.dumps(REPORT | {"kernel_config": ""})).options_from == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    assert parse("one", text).node == "one"


@given(st.fixed_dictionaries({}, optional={key: st.text() | JSON for key in REPORT}))
def test_no_report_makes_it_fail(report: dict[str, Any]) -> None:
    parse("one", json.dumps(report))


@given(st.sampled_from(sorted(REPORT)), st.integers(min_value=0, max_value=80))
def test_a_member_that_is_cut_off_makes_it_lose_no_other(key: str, length: int) -> None:
    value = REPORT[key]
    cut = value[:length] if isinstance(value, str) else None
    facts = parse("one", json.dumps(REPORT | {key: cut}))
    if key != "links":
        assert facts.links == ("lo", "eth0")
