from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.nodefacts import NodeFacts, kernel, neighbours, ports, settings
from ciliumctl.nodefacts.cniconf import parse
from ciliumctl.nodefacts.model import Problem, grouped
from ciliumctl.nodefacts.parsing import Chain, Mount, Socket
from ciliumctl.nodefacts.reading import paths_of

ALL = dict.fromkeys(kernel.every_option(), "y")
DEFAULTS: dict[str, Any] = {}


def texts(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.text for problem in problems]


# Kernel


def test_a_kernel_with_everything_is_good() -> None:
    node = NodeFacts(node="one", options_from="/proc/config.gz", options=ALL)
    assert kernel.option_problems([node], DEFAULTS) == ()


def test_what_is_off_everywhere_is_one_problem_with_its_nodes() -> None:
    options = {name: "y" for name in ALL if name != "CGROUP_BPF"}
    nodes = [NodeFacts(node=name, options_from="/x", options=options) for name in ("a", "b")]
    (problem,) = kernel.option_problems(nodes, DEFAULTS)
    assert problem.nodes == ("a", "b")
    assert problem.text == "CONFIG_CGROUP_BPF is off: needed for loading programs"


@pytest.mark.parametrize(
    ("option", "values", "wanted"),
    [
        ("VXLAN", {}, True),
        ("VXLAN", {"routingMode": "native"}, False),
        ("VXLAN", {"tunnelProtocol": "geneve"}, False),
        ("GENEVE", {"tunnelProtocol": "geneve"}, True),
        ("WIREGUARD", {}, False),
        ("WIREGUARD", {"encryption": {"enabled": True, "type": "wireguard"}}, True),
        ("XFRM", {"encryption": {"enabled": True}}, True),
        ("INET6_ESP", {"encryption": {"enabled": True}}, False),
        ("INET6_ESP", {"encryption": {"enabled": True}, "ipv6": {"enabled": True}}, True),
        ("NET_SCH_FQ", {"bandwidthManager": {"enabled": True}}, True),
        ("IP_SET", {"bpf": {"masquerade": True}}, False),
    ],
)
def test_an_option_is_needed_by_the_values_that_use_it(option: str, values: dict[str, Any], *, wanted: bool) -> None:
    assert (option in {name for name, _purpose, _severity in kernel.needed(values)}) is wanted


def test_a_kernel_that_does_not_tell_is_not_judged_but_named() -> None:
    node = NodeFacts(node="one")
    assert kernel.option_problems([node], DEFAULTS) == ()
    assert kernel.silent([node]) == ("one",)


def test_btf_is_missed() -> None:
    assert kernel.btf_problems([NodeFacts(node="a", btf=True), NodeFacts(node="b")])[0].nodes == ("b",)


# Ports


def listening(port: int, process: str = "", protocol: str = "tcp") -> Socket:
    return Socket(protocol=protocol, address="::", port=port, process=process)


def test_a_port_of_somebody_else_is_told_with_the_process() -> None:
    node = NodeFacts(node="one", sockets=(listening(4240, "node_exporter"), listening(4240, "node_exporter", "tcp6")))
    (problem,) = ports.problems([node], DEFAULTS)
    assert problem.text == "port 4240/tcp is taken by `node_exporter`: Cilium needs it for health checks between nodes"


def test_cilium_s_own_ports_are_not_taken() -> None:
    own = NodeFacts(
        node="one",
        sockets=(listening(4240, "cilium-agent"), listening(9878, "cilium-envoy"), listening(8472, "", "udp")),
        links=("cilium_vxlan",),
    )
    assert ports.problems([own], {"envoy": {"enabled": True}}) == ()


def test_another_tunnel_on_cilium_s_port_is_told() -> None:
    node = NodeFacts(node="one", sockets=(listening(8472, "", "udp"),), links=("flannel.1",))
    assert "8472/udp is taken by the kernel" in ports.problems([node], DEFAULTS)[0].text
    assert ports.problems([node], {"routingMode": "native"}) == ()


def test_a_port_that_the_values_move_is_looked_for_where_it_goes() -> None:
    values = {"tunnelPort": 8473}
    assert 8473 in ports.numbers(values)
    assert 8472 not in ports.numbers(values)


def test_switched_off_parts_need_no_port() -> None:
    assert 4244 in ports.numbers({"hubble": {"enabled": True}})
    assert 4244 not in ports.numbers({"hubble": {"enabled": False}})


# Mounts and sysctls


def test_mounts_are_only_missed_where_cilium_may_not_mount() -> None:
    node = NodeFacts(node="one")
    assert settings.mount_problems([node], DEFAULTS) == ()
    values = {"bpf": {"autoMount": {"enabled": False}}, "cgroup": {"autoMount": {"enabled": False}}}
    assert len(settings.mount_problems([node], values)) == 2
    good = NodeFacts(
        node="one",
        mounts=(Mount(path="/sys/fs/bpf", kind="bpf"), Mount(path="/sys/fs/cgroup", kind="cgroup2")),
    )
    assert settings.mount_problems([good], values) == ()


@pytest.mark.parametrize(
    ("name", "value", "values", "severity"),
    [
        ("net.ipv4.conf.eth0.rp_filter", "1", {"sysctlfix": {"enabled": False}}, "error"),
        ("net.ipv6.conf.all.disable_ipv6", "1", {"ipv6": {"enabled": True}}, "error"),
        ("net.ipv4.ip_forward", "0", {}, "warning"),
        ("kernel.unprivileged_bpf_disabled", "0", {}, "warning"),
        ("fs.inotify.max_user_instances", "64", {}, "warning"),
        ("kernel.pid_max", "4096", {}, "warning"),
    ],
)
def test_a_setting_that_hurts_is_told(name: str, value: str, values: dict[str, Any], severity: str) -> None:
    node = NodeFacts(node="one", sysctls={name: value})
    assert [problem.severity for problem in settings.sysctl_problems([node], values)] == [severity]


def test_settings_that_cilium_mends_or_does_not_use_are_no_matter() -> None:
    node = NodeFacts(node="one", sysctls={"net.ipv4.conf.all.rp_filter": "1", "net.ipv6.conf.all.disable_ipv6": "1"})
    assert settings.sysctl_problems([node], DEFAULTS) == ()


# CNI files and neighbours

BRIDGE = '{"name":"b","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}'
CILIUM = '{"name":"cilium","cniVersion":"0.3.1","plugins":[{"type":"cilium-cni"}]}'


def with_files(*files: tuple[str, str], programs: tuple[str, ...] = ("bridge",)) -> NodeFacts:
    return NodeFacts(node="one", cni_files=tuple(parse(name, text) for name, text in files), cni_programs=programs)


def test_an_empty_folder_is_good() -> None:
    assert neighbours.cni_problems([NodeFacts(node="one")], DEFAULTS, present=False) == ()


def test_leftovers_of_an_earlier_cilium_are_told_only_where_there_is_none() -> None:
    node = with_files(("05-cilium.conflist", CILIUM), ("10-b.conflist.cilium_bak", BRIDGE))
    assert len(neighbours.cni_problems([node], DEFAULTS, present=False)) == 2
    assert neighbours.cni_problems([node], DEFAULTS, present=True) == ()


def test_a_file_that_goes_before_cilium_s_is_an_error_when_it_may_not_be_moved() -> None:
    node = with_files(("00-multus.conf", '{"name":"m","type":"multus"}'), programs=("multus",))
    (problem,) = neighbours.cni_problems([node], {"cni": {"exclusive": False}}, present=False)
    assert problem.severity == "error"
    assert "comes before `05-cilium.conflist`" in problem.text
    assert neighbours.cni_problems([node], DEFAULTS, present=False) == ()


def test_a_broken_file_and_a_missing_program_are_told() -> None:
    node = with_files(("10-b.conflist", BRIDGE), ("20-c.conflist", "{"), programs=())
    told = texts(neighbours.cni_problems([node], DEFAULTS, present=False))
    assert told == [
        "`10-b.conflist` names the plugin `bridge`, whose program is not there",
        "`20-c.conflist` is not valid: it is no JSON",
    ]


def test_what_others_left_is_told_by_its_name() -> None:
    node = NodeFacts(
        node="one",
        links=("lo", "flannel.1", "cali12345"),
        chains=(Chain(variant="iptables-nft", table="nat", name="cali-nat"),),
    )
    assert texts(neighbours.other_problems([node])) == [
        "Calico left links cali12345; 1 iptables chains",
        "Flannel left links flannel.1",
    ]


def test_one_that_runs_is_no_leftover() -> None:
    node = NodeFacts(node="one", links=("flannel.1",), processes=("flanneld",))
    assert texts(neighbours.other_problems([node])) == ["Flannel runs here"]


def test_an_earlier_cilium_s_state_is_told_where_no_agent_runs() -> None:
    left = {"links": ("cilium_host",), "bpf": ("/sys/fs/bpf/cilium",)}
    assert "links cilium_host" in texts(neighbours.own_problems([NodeFacts(node="a", **left)], present=False))[0]  # type: ignore[arg-type]
    running = NodeFacts(node="a", processes=("cilium-agent",), **left)  # type: ignore[arg-type]
    assert neighbours.own_problems([running], present=False) == ()
    assert neighbours.own_problems([NodeFacts(node="a", **left)], present=True) == ()  # type: ignore[arg-type]


# In all


def test_errors_and_what_is_on_most_nodes_come_first() -> None:
    found = grouped([("a", "warning", "n1"), ("b", "error", "n1"), ("c", "error", "n1"), ("c", "error", "n2")])
    assert [(one.text, len(one.nodes)) for one in found] == [("c", 2), ("b", 1), ("a", 1)]


def test_many_nodes_are_counted() -> None:
    problem = Problem(text="x", nodes=tuple(f"n{number}" for number in range(9)))
    assert problem.where == "n0, n1, n2 and 6 more"


@pytest.mark.parametrize("bad", ["/", "/etc/../etc", "relative", "/a b/c", "/etc/$(reboot)", "/etc"])
def test_a_path_that_is_none_is_not_told_to_a_shell(bad: str) -> None:
    assert paths_of({"daemon": {"runPath": bad}})["RUN_PATH"] == "/var/run/cilium"


def test_the_values_paths_are_told() -> None:
    values = {"cni": {"confPath": "/var/snap/microk8s/current/args/cni-network/", "binPath": "/home/kubernetes/bin"}}
    found = paths_of(values)
    assert (found["CNI_CONF"], found["CNI_BIN"]) == (
        "/var/snap/microk8s/current/args/cni-network",
        "/home/kubernetes/bin",
    )
