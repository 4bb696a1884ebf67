from __future__ import annotations

from typing import Any

import pytest

from ciliumctl import yaml_files
from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.recovery import applied
from tests.world.cluster import FakeCluster


def config(name: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    } | more


def manifest(*items: dict[str, Any]) -> str:
    return "---\n".join(yaml_files.dump(item) for item in items)


def look(cluster: FakeCluster, tmp_path: Any, before: str, after: str) -> applied.Applied:
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})
    return applied.look(kube, before, after, "kube-system")


@pytest.mark.parametrize(
    ("old", "new", "live", "expected"),
    [
        ({"a": "1"}, {"a": "2"}, {"a": "2", "added": "by somebody"}, "new"),
        ({"a": "1"}, {"a": "2"}, {"a": "1"}, "old"),
        ({"a": "1"}, {"a": "2"}, {"a": "3"}, "neither"),
        ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, "new"),
        ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "1"}, "old"),
        ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "1"}, "new"),
        ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "1", "b": "2"}, "old"),
    ],
)
def test_an_object_is_told_by_which_of_both_it_is_like(
    cluster: FakeCluster, tmp_path: Any, old: dict[str, str], new: dict[str, str], live: dict[str, str], expected: str
) -> None:
    cluster.add(config("x", live))
    found = look(cluster, tmp_path, manifest(config("x", old)), manifest(config("x", new)))
    assert getattr(found, expected) == ("ConfigMap kube-system/x",)
    assert found.state_of("ConfigMap kube-system/x") == expected


def test_what_is_in_one_of_both_only_is_told_by_its_being_there(cluster: FakeCluster, tmp_path: Any) -> None:
    before, after = (
        manifest(config("gone", {}), config("going", {})),
        manifest(config("come", {}), config("coming", {})),
    )
    cluster.add(config("going", {}), config("come", {}))
    found = look(cluster, tmp_path, before, after)
    assert found.new == ("ConfigMap kube-system/come", "ConfigMap kube-system/gone")
    assert found.old == ("ConfigMap kube-system/coming", "ConfigMap kube-system/going")


def test_what_was_there_before_a_first_installation_is_not_taken_for_its_own(
    cluster: FakeCluster, tmp_path: Any
) -> None:
    cluster.add(config("x", {"a": "somebody's"}), config("y", {"a": "1"}))
    found = look(cluster, tmp_path, "", manifest(config("x", {"a": "1"}), config("y", {"a": "1"})))
    assert (found.neither, found.new) == (("ConfigMap kube-system/x",), ("ConfigMap kube-system/y",))


def test_what_is_the_same_in_both_is_not_even_asked_for(cluster: FakeCluster, tmp_path: Any) -> None:
    text = manifest(config("x", {"a": "1"}))
    assert look(cluster, tmp_path, text, text) == applied.Applied()
    assert cluster.seen == []


def test_what_the_server_drops_and_adds_makes_no_difference(cluster: FakeCluster, tmp_path: Any) -> None:
    def daemon_set(image: str, **more: Any) -> dict[str, Any]:
        container = {"name": "agent", "image": image, "env": [], "command": ["run"], "tty": False, **more}
        return {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "cilium", "namespace": "kube-system", "annotations": {}},
            "spec": {"template": {"spec": {"containers": [container], "volumes": None}}},
        }

    live = daemon_set("new", imagePullPolicy="IfNotPresent")
    container = live["spec"]["template"]["spec"]["containers"][0]
    del container["env"], container["tty"], live["metadata"]["annotations"]
    cluster.add(live)
    found = look(cluster, tmp_path, manifest(daemon_set("old")), manifest(daemon_set("new")))
    assert found.new == ("DaemonSet kube-system/cilium",)
    assert found.all
    assert not found.none
