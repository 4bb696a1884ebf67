"""`ciliumctl capture mirror`, `mirrors` and `unmirror` against an API server in this process."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Command
from tests.docs.checker import violations
from tests.world import guests
from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call
from tests.world.objects import Object, config_map, node, pod
from tests.world.run import HERE


def one(name: str, *, on: str, address: str) -> Object:
    made = pod(name, place="shop", on=on, host_network=False)
    made["status"]["podIPs"] = [{"ip": address}]
    made["status"]["containerStatuses"][0]["containerID"] = f"cri-o://{name}0123456789"
    return made


def starts(item: Object, said: str = "mtu pod 1500\nmtu way 1500\nready\n") -> None:
    """A pod runs, and its script says this."""
    guests.start(item)
    item["x-log"] = said


@pytest.fixture
def shop(cluster: FakeCluster) -> FakeCluster:
    """Pods on two nodes, and scripts that get ready."""
    guests.shop(cluster)
    cluster.add(node("two", address="192.0.2.9"), one("web", on="one", address="198.18.0.1"))
    cluster.add(one("near", on="one", address="198.18.0.3"), one("far", on="two", address="198.18.0.2"))
    cluster.on_create = starts
    cluster.program = lambda _call: Answer(stdout="left: 0 links or filters\n")
    return cluster


def commands(cluster: FakeCluster) -> list[list[str]]:
    """The words of the script of each pod that is there."""
    pods = [seen.body for seen in cluster.seen if seen.method == "POST"]
    return [made["spec"]["containers"][0]["command"][3:] for made in pods]


def test_a_mirror_has_a_pod_on_each_node_and_is_listed_and_ended(shop: FakeCluster, command: Command) -> None:
    ran = command("capture", "mirror", "pod/shop/web", "pod/shop/far", "--vni", "77", "-o", "json", "--yes")
    assert ran.code == 0, ran.err
    schema = json.loads((HERE / "docs" / "reference" / "schemas" / "Mirror.json").read_text(encoding="utf-8"))
    assert list(violations(ran.json, schema, schema)) == []
    name = ran.json["data"]["name"]
    sink, source = commands(shop)
    assert sink[:2] == ["ciliumctl-mirror", "sink"], "the target listens before anything is sent"
    assert sink[6:] == ["far0123456789", "77", "4790", "192.0.2.9", "192.0.2.1"]
    assert source[6:10] == ["web0123456789", "eth0", "both", "77"]
    assert source[10:13] == ["4790", "192.0.2.1", "192.0.2.9"]
    assert "packets above 1450 bytes travel in fragments" in ran.err
    assert "privileged" in ran.err
    made = [seen.body["spec"] for seen in shop.seen if seen.method == "POST"]
    assert [(spec["hostPID"], spec["terminationGracePeriodSeconds"]) for spec in made] == [(True, 15), (True, 15)]
    listed = command("capture", "mirrors").out
    assert f"{name}   pod/shop/web   pod/shop/far   mirror-{name}" in listed
    assert "running" in listed
    assert command("capture", "mirrors", "-o", "name").out == f"mirror/{name}\n"
    ran = command("capture", "unmirror", f"mirror/{name}")
    assert (ran.code, ran.out) == (0, f"ended: {name} (pod/shop/web to pod/shop/far)\n")
    assert [call.command[4] for call in shop.calls] == ["undo", "undo"]
    assert command("capture", "mirrors").out == "there is no mirror\n"
    assert command("capture", "unmirror", "--all").code == 0


def test_the_same_mirror_is_not_made_twice(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--yes").code == 0
    ran = command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--yes")
    assert ran.code == 3
    assert "is mirrored to pod/shop/near already" in ran.err
    assert len(commands(shop)) == 1
    assert command("capture", "mirror", "pod/shop/near", "pod/shop/web", "--yes").code == 0


def test_two_ends_on_one_node_need_one_pod_and_no_tunnel(shop: FakeCluster, command: Command) -> None:
    ran = command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--direction", "ingress", "-o", "json", "--yes")
    assert ran.code == 0, ran.err
    (source,) = commands(shop)
    assert source[6:] == ["web0123456789", "eth0", "ingress", "0", "4790", "", "", "near0123456789"]
    assert (ran.json["data"]["vni"], ran.json["data"]["port"]) == (0, 0)


def test_what_a_node_cannot_do_is_exit_6_and_nothing_stays(shop: FakeCluster, command: Command) -> None:
    shop.on_create = lambda item: starts(item, "failed: Error: Unknown device type.\n")
    ran = command("capture", "mirror", "pod/shop/web", "node/two", "--yes")
    assert ran.code == 6
    assert "node `two` cannot mirror: Error: Unknown device type." in ran.err
    made = [seen for seen in shop.seen if seen.method == "POST"]
    gone = [seen for seen in shop.seen if seen.method == "DELETE"]
    assert len(made) == len(gone) == 1


def test_what_is_left_of_a_mirror_is_told_and_exit_7(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "node/two", "--yes").code == 0
    shop.program = lambda _call: Answer(stdout="left: 2 links or filters\n", code=1)
    ran = command("capture", "unmirror", "--all")
    assert ran.code == 7
    assert "left: 2 links or filters on node `" in ran.out


def test_a_pod_that_ends_while_it_is_asked_takes_nothing_with_it(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "pod/shop/far", "--yes").code == 0

    def taken_along(call: Call) -> Answer:
        # The pod's script sees that the link is gone, and ends: the exec is killed with the container.
        made = shop.get("pods", call.pod, "kube-system")
        assert made is not None
        made["status"]["phase"] = "Succeeded"
        return Answer(code=137)

    shop.program = taken_along
    ran = command("capture", "unmirror", "--all")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("ended: ")
    assert command("capture", "mirrors").out == "there is no mirror\n"


def test_pods_are_deleted_although_undoing_fails_without_a_word(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--yes").code == 0
    shop.program = lambda _call: Answer(code=2)
    ran = command("capture", "unmirror", "--all")
    assert (ran.code, "undoing it ended with code 2 on node `one`" in ran.out) == (7, True), ran.err
    assert command("capture", "mirrors").out == "there is no mirror\n"


def test_pods_are_deleted_although_nobody_may_look_into_them(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--yes").code == 0
    shop.program = lambda _call: Answer(status=403, stderr="not for you")
    ran = command("capture", "unmirror", "--all")
    assert ran.code == 7, ran.err
    assert command("capture", "mirrors").out == "there is no mirror\n"


def test_a_node_that_cannot_be_asked_is_told(shop: FakeCluster, command: Command) -> None:
    assert command("capture", "mirror", "pod/shop/web", "pod/shop/near", "--yes").code == 0
    shop.program = lambda _call: Answer(status=500, stderr="the runtime is busy")
    ran = command("capture", "unmirror", "--all")
    assert ran.code == 7
    assert "nobody knows what is left on node `one`" in ran.out


def test_mirrors_of_others_stay_unless_they_are_named_or_a_yes_is_given(shop: FakeCluster, command: Command) -> None:
    for ends in (("pod/shop/web", "pod/shop/near"), ("pod/shop/near", "pod/shop/web"), ("pod/shop/web", "node/one")):
        assert command("capture", "mirror", *ends, "--yes").code == 0
    names = command("capture", "mirrors", "-o", "name").out.split()
    mine, *theirs = command("capture", "mirrors", "-o", "json").json["data"]["mirrors"]
    assert mine["owner"] == theirs[0]["owner"] != ""
    for one in theirs:
        (key,) = one["pods"]
        made = shop.get("pods", key.partition("/")[2], "kube-system")
        assert made is not None
        # As of another machine with the same kubeconfig.
        made["metadata"]["annotations"]["ciliumctl.io/owner"] = "eve@desk"
    assert "eve@desk" in command("capture", "mirrors").out
    for arguments in (("debug", "cleanup", "--all"), ("capture", "unmirror", "--all")):
        assert command(*arguments).code == 0
        left = command("capture", "mirrors", "-o", "name").out.split()
        assert left == names[1:], f"what is left of `{' '.join(arguments)}`"
    ran = command("capture", "unmirror", "--all-users")
    assert (ran.code, "--yes" in ran.err) == (3, True)
    assert command("capture", "unmirror", names[1]).code == 0, "who names it means it"
    assert command("capture", "unmirror", "--all-users", "--yes").code == 0
    assert command("capture", "mirrors").out == "there is no mirror\n"


def test_a_mirror_needs_a_yes_and_without_one_nothing_is_made(shop: FakeCluster, command: Command) -> None:
    ran = command("capture", "mirror", "pod/shop/web", "pod/shop/far")
    assert (ran.code, "--yes" in ran.err) == (3, True), ran.err
    assert "a mirror changes the network of pod/shop/web" in ran.err
    assert {seen.method for seen in shop.seen} == {"GET"}


@pytest.mark.parametrize(
    ("config", "target", "warned"),
    [
        ({"enable-wireguard": "true"}, "far", True),
        ({"enable-ipsec": "true"}, "far", True),
        ({"enable-wireguard": "true"}, "near", False),
        ({"enable-wireguard": "true", "encrypt-node": "true"}, "far", False),
        ({"enable-wireguard": "false"}, "far", False),
    ],
)
def test_copies_that_travel_in_the_open_are_told_where_pods_are_encrypted(
    shop: FakeCluster, command: Command, config: dict[str, str], target: str, *, warned: bool
) -> None:
    shop.add(config_map("cilium-config", config))
    ran = command("capture", "mirror", "pod/shop/web", f"pod/shop/{target}", "--yes")
    assert ran.code == 0, ran.err
    assert ("they travel in plain VXLAN" in ran.err) is warned


def test_a_dry_run_makes_nothing(shop: FakeCluster, command: Command) -> None:
    ran = command("capture", "mirror", "pod/shop/web", "node/two", "--dry-run")
    assert ran.code == 0, ran.err
    assert ran.out.count("would create: ") == 3
    assert {seen.method for seen in shop.seen} == {"GET"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("mirror", "node/one", "node/two"), 2, "a node's cannot"),
        (("mirror", "pod/shop/web", "pod/shop/web"), 2, "cannot be mirrored to itself"),
        (("mirror", "pod/kube-system/host", "node/two"), 2, "has its node's network"),
        (("mirror", "pod/shop/web", "node/two", "--ttl", "25h"), 2, "24 h at most"),
        (("mirror", "pod/shop/web", "node/nobody"), 5, "there is no node `nobody`"),
        (("unmirror",), 2, "name mirrors, or say `--all`"),
        (("unmirror", "abc"), 2, "there is no mirror `abc`"),
    ],
)
def test_what_cannot_be_is_refused(
    shop: FakeCluster, command: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    shop.add(pod("host", on="one"))
    ran = command("capture", *arguments)
    assert (ran.code, said in ran.err) == (code, True), ran.err
