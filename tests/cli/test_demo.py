"""`ciliumctl demo`: made once, waited for, reached, tested, removed; what is not ours is left alone."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ciliumctl.demo import inside
from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Object
from tests.world.execs import Answer, Call

APPS = "nginx-5c9bb5cb78"
LABELS = {"app": "nginx", "ciliumctl.io/demo": "nginx"}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def page() -> Iterator[int]:
    """A port of this machine on which HTTP is answered, if only with 404."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def pod(number: int, node: str, *, waiting: str = "") -> Object:
    made = objects.pod(
        f"{APPS}-{number:05}", place="shop", on=node, labels=LABELS, waiting=waiting, message="no such image"
    )
    made["spec"]["containers"] = [{"name": "nginx", "ports": [{"containerPort": 8080}]}]
    made["status"]["podIPs"] = [{"ip": f"192.0.2.{number}"}]
    made["status"]["conditions"] = [{"type": "Ready", "status": str(not waiting)}]
    return made


def endpoints() -> Object:
    """A pod behind the service, for who forwards to it."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "nginx-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "nginx"}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"targetRef": {"name": f"{APPS}-00000"}}],
    }


@pytest.fixture
def shop(cluster: FakeCluster, page: int) -> FakeCluster:
    """Two nodes and a namespace; what is made gets its pods and ports at once."""
    cluster.add(
        objects.namespace("shop"),
        objects.node("one", address="127.0.0.1"),
        objects.node("two", address="127.0.0.1"),
        objects.node("three", ready=False),
    )

    def act(item: Object) -> None:
        if item["kind"] == "Deployment":
            count = item["spec"]["replicas"]
            names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
            item["status"] = dict.fromkeys(names, count)
            cluster.add(*(pod(number, ("one", "two")[number % 2]) for number in range(count)))
        elif item["kind"] == "Service":
            item["spec"] |= {"clusterIPs": ["198.51.100.7"]}
            if item["spec"]["type"] != "ClusterIP":
                item["spec"]["ports"][0]["nodePort"] = page
            cluster.add(endpoints())

    cluster.on_create = act
    return cluster


def says(code: int, said: str = "") -> Callable[[Call], Answer]:
    """A pod in which every address is answered alike."""

    def program(call: Call) -> Answer:
        count = sum(line.startswith("try ") for line in call.command[-1].splitlines() if line.endswith("&"))
        return Answer(stdout="".join(f"@{number} {code} {said}\n" for number in range(count)))

    return program


def test_the_demo_is_made_as_in_the_exercise(shop: FakeCluster, command: Command) -> None:
    ran = command("demo", "deploy", "-n", "shop")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("nginx deployed in namespace shop: 2 of 2 pods ready, NodePort, node port ")
    assert "next: ciliumctl demo test -n shop" in ran.err
    deployment, service = shop.get("deployments", "nginx", "shop"), shop.get("services", "nginx", "shop")
    assert deployment
    assert service
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("docker.io/nginxinc/nginx-unprivileged:")
    assert "@sha256:" in container["image"]
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert (service["spec"]["type"], service["spec"]["ports"][0]["port"]) == ("NodePort", 80)
    for item in (deployment, service):
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ciliumctl"


def test_a_second_time_changes_nothing_and_other_options_change_it(shop: FakeCluster, command: Command) -> None:
    assert command("demo", "deploy", "-n", "shop").code == 0
    ran = command("demo", "deploy", "-n", "shop", "-o", "json")
    assert (ran.code, ran.json["data"]["changed"]) == (0, False), ran.err
    ran = command("demo", "deploy", "-n", "shop", "--type", "ClusterIP", "-o", "json")
    assert (ran.code, ran.json["data"]["changed"], ran.json["data"]["type"]) == (0, True, "ClusterIP")
    assert len(shop.all("services")) == 1


def test_another_image_may_need_root_and_listens_on_80(shop: FakeCluster, command: Command) -> None:
    arguments = ("--image", "nginx:1.29", "--arg", "nginx", "--arg", "-g", "--image-pull-secret", "key")
    assert command("demo", "deploy", "-n", "shop", *arguments).code == 0
    deployment = shop.get("deployments", "nginx", "shop")
    assert deployment
    spec = deployment["spec"]["template"]["spec"]
    assert spec["containers"][0]["ports"] == [{"name": "http", "containerPort": 80}]
    assert spec["containers"][0]["args"] == ["nginx", "-g"]
    assert "runAsNonRoot" not in spec["containers"][0]["securityContext"]
    assert spec["imagePullSecrets"] == [{"name": "key"}]
    ran = command("demo", "deploy", "-n", "shop", "--registry", "registry.example.com/mirror/", "-o", "json")
    assert ran.json["data"]["image"].startswith("registry.example.com/mirror/nginxinc/nginx-unprivileged:")


@pytest.mark.parametrize("subcommand", ["deploy", "delete", "url", "test"])
def test_an_nginx_of_somebody_else_is_left_alone(shop: FakeCluster, command: Command, subcommand: str) -> None:
    shop.add(objects.deployment("nginx", place="shop"))
    ran = command("demo", subcommand, "-n", "shop", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "foreign-owner")
    assert "was not made by `ciliumctl demo`" in ran.err
    assert len(shop.all("deployments")) == 1
    assert not shop.all("services")


def test_an_image_that_cannot_be_pulled_ends_the_wait(
    shop: FakeCluster, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ciliumctl.demo import deploying

    monkeypatch.setattr(deploying, "GRACE", 0.0)

    def act(item: Object) -> None:
        if item["kind"] == "Deployment":
            item["status"] = {"replicas": 2}
            # What is left of a deployment before this one is no reason to end.
            old = pod(0, "one", waiting="ImagePullBackOff")
            new = pod(1, "one", waiting="ImagePullBackOff")
            for one, image in (
                (old, "elsewhere/nginx"),
                (new, item["spec"]["template"]["spec"]["containers"][0]["image"]),
            ):
                one["spec"]["containers"][0]["image"] = image
            shop.add(old, new)

    shop.on_create = act
    ran = command("demo", "deploy", "-n", "shop")
    assert ran.code == 6
    assert f"pod `{APPS}-00001` of the demo application will not run: ImagePullBackOff: no such image" in ran.err
    assert "--registry" in ran.err


def test_pods_that_cannot_be_made_end_the_wait(
    shop: FakeCluster, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ciliumctl.demo import deploying

    monkeypatch.setattr(deploying, "GRACE", 0.0)
    failure = {"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}
    shop.on_create = lambda item: item.update(status={"conditions": [failure]})
    ran = command("demo", "deploy", "-n", "shop")
    assert ran.code == 6
    assert "no pod of the demo application can be made: violates PodSecurity" in ran.err


def test_time_that_runs_out_says_what_was_waited_for(shop: FakeCluster, command: Command) -> None:
    shop.on_create = lambda item: shop.add(pod(1, "one", waiting="Weird")) if item["kind"] == "Deployment" else None
    ran = command("demo", "deploy", "-n", "shop", "--timeout", "1500ms", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (4, "timeout")
    assert f"{APPS}-00001: Weird" in ran.err
    ran = command("demo", "deploy", "-n", "shop", "--no-wait")
    assert ran.code == 0


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (5, ("deploy", "-n", "nowhere"), "there is no namespace `nowhere`"),
        (2, ("deploy", "--image", "x", "--registry", "y"), "names its registry itself"),
        (2, ("deploy", "--port", "81"), "says where another image listens"),
        (2, ("deploy", "--type", "ExternalName"), "ExternalName"),
        (5, ("url", "-n", "shop"), "make it: `ciliumctl demo deploy -n shop`"),
        (5, ("test", "-n", "shop"), "make it: `ciliumctl demo deploy -n shop`"),
        (5, ("url", "--forward", "-n", "shop"), "make it: `ciliumctl demo deploy -n shop`"),
        (2, ("url", "8080", "-n", "shop"), "--forward 8080"),
    ],
)
def test_what_cannot_be_done_is_told(
    shop: FakeCluster, command: Command, code: int, arguments: tuple[str, ...], said: str
) -> None:
    ran = command("demo", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert not shop.all("services")


def test_the_url_is_one_that_answers(shop: FakeCluster, command: Command, page: int) -> None:
    command("demo", "deploy", "-n", "shop")
    ran = command("demo", "url", "-n", "shop")
    assert (ran.code, ran.out, ran.err) == (0, f"http://127.0.0.1:{page}\n", "")
    service = shop.get("services", "nginx", "shop")
    assert service
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "127.0.0.9"}]}}
    ran = command("demo", "url", "-n", "shop", "-o", "json")
    assert ran.json["data"]["url"] == f"http://127.0.0.1:{page}", "nobody answers at the load balancer's"
    assert ran.json["data"]["others"] == ["http://127.0.0.9", f"http://127.0.0.1:{page}"][:1]


def test_a_url_that_does_not_answer_is_printed_with_the_reason(shop: FakeCluster, command: Command) -> None:
    command("demo", "deploy", "-n", "shop")
    service = shop.get("services", "nginx", "shop")
    assert service
    service["spec"]["ports"][0]["nodePort"] = 9
    ran = command("demo", "url", "-n", "shop")
    assert (ran.code, ran.out) == (1, "http://127.0.0.1:9\n")
    assert "it does not answer from here" in ran.err
    assert "demo url -n shop --forward" in ran.err
    command("demo", "deploy", "-n", "shop", "--type", "ClusterIP")
    del service["spec"]["ports"][0]["nodePort"]
    shop.add(service | {"spec": {**service["spec"], "type": "ClusterIP"}})
    ran = command("demo", "url", "-n", "shop")
    assert (ran.code, ran.out) == (1, "")
    assert "ClusterIP is reached in the cluster only" in ran.err


def test_every_way_is_a_line_and_one_that_fails_is_exit_1(shop: FakeCluster, command: Command, page: int) -> None:
    command("demo", "deploy", "-n", "shop")
    shop.program = says(0)
    ran = command("demo", "test", "-n", "shop", "-o", "json")
    paths = ran.json["data"]["paths"]
    found = [(path["name"], path["source"].partition(" on ")[2], path["target"]) for path in paths]
    first = [
        ("pod to pod", "one", f"{APPS}-00001 (192.0.2.1)"),
        ("pod to service", "one", "service nginx (198.51.100.7)"),
        ("pod to service by name", "one", "nginx.shop.svc"),
        ("pod to node port", "one", f"one (127.0.0.1:{page})"),
        ("pod to node port", "one", f"two (127.0.0.1:{page})"),
    ]
    assert found[:5] == first
    assert len(paths) == 5 + 5 + 2 + 1
    assert {path["outcome"] for path in paths[:-1]} == {"passed"}
    # The API server in this process forwards nothing.
    assert (paths[-1]["name"], paths[-1]["outcome"], ran.code) == ("here by port-forward", "failed", 1)


def test_ways_that_fail_inside_say_why(shop: FakeCluster, command: Command) -> None:
    command("demo", "deploy", "-n", "shop")
    shop.program = says(28, "curl: (28) Timeout was reached")
    ran = command("demo", "test", "-n", "shop")
    assert ran.code == 1
    assert ran.out.count("curl: (28) Timeout was reached") == 10
    assert "11 of 13 ways do not lead to the application" in ran.out


@pytest.mark.parametrize(("inside_code", "outcome"), [(0, "skipped"), (28, "failed")])
def test_nodes_out_of_reach_from_here_are_no_fault_where_pods_reach_them(
    shop: FakeCluster, command: Command, inside_code: int, outcome: str
) -> None:
    command("demo", "deploy", "-n", "shop")
    service = shop.get("services", "nginx", "shop")
    assert service
    service["spec"]["ports"][0]["nodePort"] = 9
    shop.program = says(inside_code)
    ran = command("demo", "test", "-n", "shop", "-o", "json")
    here = [path["outcome"] for path in ran.json["data"]["paths"] if path["name"] == "here to node port"]
    assert here == [outcome, outcome]


def test_an_image_without_a_program_to_ask_with_skips_that_part(shop: FakeCluster, command: Command) -> None:
    command("demo", "deploy", "-n", "shop", "--replicas", "1", "--type", "LoadBalancer")
    shop.program = says(127, "the image has neither curl nor wget")
    ran = command("demo", "test", "-n", "shop", "-o", "json")
    inside_ = [path for path in ran.json["data"]["paths"] if path["source"] != "here"]
    assert {path["outcome"] for path in inside_} == {"skipped"}
    balanced = [path for path in ran.json["data"]["paths"] if path["name"] == "here to load balancer"]
    assert "no address was given" in balanced[0]["said"]
    assert "all pods are on one node" in ran.json["data"]["notes"][0]


def test_what_is_ours_is_removed_and_a_second_time_is_no_failure(shop: FakeCluster, command: Command) -> None:
    command("demo", "deploy", "-n", "shop")

    def act(item: Object) -> None:
        if item["kind"] == "Deployment":
            shop._of("", "pods").clear()  # noqa: SLF001 - what a real one's controllers do

    shop.on_delete = act
    ran = command("demo", "delete", "-n", "shop")
    assert (ran.code, ran.out) == (
        0,
        "removed: Service/nginx in namespace shop\nremoved: Deployment/nginx in namespace shop\n",
    )
    assert not shop.all("deployments")
    ran = command("demo", "delete", "-n", "shop", "-o", "json")
    assert (ran.code, ran.json["data"]["removed"]) == (0, [])


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("curl", [(True, ""), (False, "curl: no")]),
        ("wget", [(True, ""), (False, "wget: bad address")]),
        ("", [(None, "the image has neither curl nor wget")] * 2),
    ],
)
def test_the_script_in_the_pod_asks_with_what_is_there(
    tmp_path: Path, shop: FakeCluster, program: str, wanted: list[tuple[bool | None, str]]
) -> None:
    """The real script in a real shell; what it is given to ask with is not real."""
    from ciliumctl.clients.kube import ConnectOptions, connect

    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("tail", "sleep"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    body = {
        "curl": 'case "$*" in *good*) exit 0 ;; esac; echo "curl: no" >&2; exit 7',
        "wget": 'case "$*" in *good*) echo "wget: server returned error: HTTP/1.1 404" >&2; exit 1 ;; esac\n'
        'echo "Connecting" >&2; echo "wget: bad address" >&2; exit 1',
    }
    if program:
        (folder / program).write_text(f"#!/bin/sh\n{body[program]}\n")
        (folder / program).chmod(0o755)

    def run_it(call: Call) -> Answer:
        done = subprocess.run(
            ["/bin/sh", *call.command[1:]], env={"PATH": str(folder)}, capture_output=True, text=True, check=True
        )
        return Answer(stdout=done.stdout)

    shop.program = run_it
    kube = connect(ConnectOptions(kubeconfig=str(shop.kubeconfig(tmp_path))), {})
    heard = inside.ask(kube, "shop", "x", ["http://good", "http://it's bad"])
    assert [(one.answered, one.said) for one in heard] == wanted


def test_a_pod_without_a_shell_could_not_be_asked(shop: FakeCluster, command: Command) -> None:
    command("demo", "deploy", "-n", "shop")
    shop.program = lambda _call: Answer(status=500, stderr="no shell")
    ran = command("demo", "test", "-n", "shop", "-o", "json")
    inside_ = [path for path in ran.json["data"]["paths"] if path["source"] != "here"]
    assert {(path["outcome"], path["said"]) for path in inside_} == {("skipped", "no shell")}
    assert json.loads(ran.out)["kind"] == "DemoTest"
