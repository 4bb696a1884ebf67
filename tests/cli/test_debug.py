"""`ciliumctl debug` against an API server in this process: the command line, a terminal, a pipe, JSON, failures."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.docs.checker import violations
from tests.world import guests, objects
from tests.world.cluster import FakeCluster, Fault
from tests.world.execs import Answer, Call, Conversation
from tests.world.run import HERE, quiet_environ, run_process
from tests.world.terminal import Terminal


def ends(call: Call) -> bool:
    """Whether a command is the one that ends a guest."""
    return "name=$1 session=$2" in " ".join(call.command)


@pytest.fixture
def shop(cluster: FakeCluster) -> FakeCluster:
    """A pod to look at, on a node that has an agent; every command in a container says its last word."""
    guests.shop(cluster)
    agent = objects.pod("cilium-aaaaa", on="one", labels={"k8s-app": "cilium"})
    cluster.add(agent)
    cluster.program = lambda call: Answer() if ends(call) else Answer(stdout=f"{call.command[-1]}\n")
    return cluster


def ours(cluster: FakeCluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.all("pods") if "debug" in one["metadata"]["name"]]


def ran_in(cluster: FakeCluster) -> list[Call]:
    return [call for call in cluster.calls if not ends(call)]


# The command line


def test_a_command_beside_a_pod_prints_what_it_prints(shop: FakeCluster, command: Command) -> None:
    ran = command("debug", "shell", "pod/web", "-n", "shop", "--target", "main", "--", "echo", "-o", "yes")
    assert (ran.code, ran.out) == (0, "yes\n")
    (call,) = ran_in(shop)
    assert call.command[0] == "env"
    assert call.command[2:] == ("echo", "-o", "yes"), "what stands after -- is the command's, options too"
    assert (call.tty, call.stdin) == (False, False)
    web = shop.get("pods", "web", "shop")
    assert web is not None
    (container,) = web["spec"]["ephemeralContainers"]
    assert container["targetContainerName"] == "main"
    assert container["image"].startswith("docker.io/nicolaka/netshoot:")
    assert "@sha256:" in container["image"]
    assert "stays in the pod's spec" in ran.err
    assert shop.calls[-1].command[-1] == "0", "it is ended, unless somebody else is using it"


@pytest.mark.parametrize("code", [0, 1, 5, 42, 137])
def test_the_exit_code_is_the_command_s(shop: FakeCluster, command: Command, code: int) -> None:
    shop.program = lambda call: Answer() if ends(call) else Answer(code=code, stderr="whatever\n")
    ran = command("debug", "shell", "pod/shop/web", "--", "sh", "-c", "exit")
    assert (ran.code, ran.out) == (code, "")
    assert "whatever" in ran.err
    assert "error:" not in ran.err


def test_json_holds_both_streams_and_leaves_the_exit_code(shop: FakeCluster, command: Command) -> None:
    shop.program = lambda call: Answer() if ends(call) else Answer(code=3, stdout="out", stderr="\x1b[31merr")
    ran = command("debug", "shell", "pod/shop/web", "-o", "json", "--", "true")
    assert ran.code == 3
    schema = json.loads((HERE / "docs" / "reference" / "schemas" / "DebugRun.json").read_text(encoding="utf-8"))
    assert list(violations(ran.json, schema, schema)) == []
    data = ran.json["data"]
    assert (data["exit_code"], data["stdout"], data["stderr"], data["node"]) == (3, "out", "\x1b[31merr", "one")
    assert (ran.json["ok"], ran.json["error"]) == (False, None)


def test_a_new_pod_is_gone_afterwards(shop: FakeCluster, command: Command) -> None:
    seen: list[str] = []

    def program(_call: Call) -> Answer:
        seen.extend(ours(shop))
        return Answer(stdout="ok\n")

    shop.program = program
    ran = command("debug", "shell", "new", "-n", "shop", "--node", "one", "--host-network", "--", "true")
    assert (ran.code, ran.out) == (0, "ok\n")
    assert len(seen) == 1
    assert ours(shop) == []


def test_a_pod_of_a_node_is_made_where_cilium_is(shop: FakeCluster, command: Command) -> None:
    command("debug", "shell", "node/one", "--", "true")
    (made,) = [seen for seen in shop.seen if seen.method == "POST" and "dryRun" not in seen.query]
    assert made.path.endswith("/namespaces/kube-system/pods")
    assert made.body["spec"]["hostPID"] is True
    assert ours(shop) == []


@pytest.mark.parametrize("where", [("node/one",), ("new", "-n", "shop"), ("new", "-n", "shop", "--host-network")])
def test_a_pod_that_is_kept_is_used_again_and_stays(
    shop: FakeCluster, command: Command, where: tuple[str, ...]
) -> None:
    command("debug", "shell", *where, "--keep", "--", "true")
    (kept,) = ours(shop)
    ran = command("debug", "shell", *where, "--ttl", "20m", "--", "true")
    assert (ran.code, "is used again" in ran.err) == (0, True), ran.err
    assert ours(shop) == [kept]
    assert shop.calls[-1].command[-1] == "1", "what the second call left running in it is ended"
    assert shop.calls[-1].command[-3].startswith("no-guest-")
    for other in (("--image", "registry.example.com/other:1"), ("--profile", "sysadmin")):
        ran = command("debug", "shell", *where, *other, "--", "true")
        assert (ran.code, "is used again" in ran.err) == (0, False), other
    assert ours(shop) == [kept], "what was not kept has gone"
    for pod in (pod for place in ("shop", "kube-system") if (pod := shop.get("pods", kept, place))):
        pod["metadata"]["annotations"]["ciliumctl.io/owner"] = "eve@desk"
    assert "is used again" not in command("debug", "shell", *where, "--", "true").err


def test_who_may_not_list_pods_gets_a_new_one(shop: FakeCluster, command: Command) -> None:
    shop.faults.append(Fault(pattern="GET .*/namespaces/shop/pods$", status=403, message="no list"))
    assert command("debug", "shell", "new", "-n", "shop", "--", "true").code == 0


def test_one_that_is_kept_is_used_again(shop: FakeCluster, command: Command) -> None:
    first = command("debug", "shell", "pod/shop/web", "--keep", "--", "true")
    assert "debug cleanup --all" in first.err
    assert not any(ends(call) for call in shop.calls)
    second = command("debug", "shell", "pod/shop/web", "--", "true")
    assert "is used again" in second.err
    web = shop.get("pods", "web", "shop")
    assert web is not None
    assert len(web["spec"]["ephemeralContainers"]) == 1
    assert ends(shop.calls[-1])


def test_one_that_has_just_ended_is_not_used_again(shop: FakeCluster, command: Command) -> None:
    command("debug", "shell", "pod/shop/web", "--keep", "--", "true")
    web = shop.get("pods", "web", "shop")
    assert web is not None
    (ended,) = [one["name"] for one in web["spec"]["ephemeralContainers"]]

    def program(call: Call) -> Answer:
        gone = f'unable to upgrade connection: container not found ("{ended}")'
        return Answer(refusal=gone) if call.container == ended else Answer(stdout="ok\n")

    shop.program = program
    ran = command("debug", "shell", "pod/shop/web", "--", "echo", "ok")
    assert (ran.code, ran.out) == (0, "ok\n"), ran.err
    web = shop.get("pods", "web", "shop")
    assert web is not None
    assert len(web["spec"]["ephemeralContainers"]) == 2


@pytest.mark.parametrize(
    "target", [("deploy/web", "-n", "shop"), ("-l", "app=web", "-n", "shop"), ("web", "-n", "shop"), ("svc/web",)]
)
def test_the_pod_can_be_named_in_several_ways(shop: FakeCluster, command: Command, target: tuple[str, ...]) -> None:
    deployment = objects.deployment("web", place="shop")
    deployment["spec"]["selector"] = {"matchLabels": {"app": "web"}, "matchExpressions": []}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    shop.add(deployment, {**service, "spec": {"selector": {"app": "web"}}})
    more = ("-n", "shop") if target == ("svc/web",) else ()
    ran = command("debug", "shell", *target, *more, "--", "true")
    assert ran.code == 0, ran.err
    assert ran_in(shop)[0].pod == "web"


def test_a_ready_pod_is_taken_before_others(shop: FakeCluster, command: Command) -> None:
    shop.add(objects.pod("a-web", place="shop", labels={"app": "web"}, ready=False))
    web = shop.get("pods", "web", "shop")
    assert web is not None
    web["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    command("debug", "shell", "-l", "app=web", "-n", "shop", "--", "true")
    assert ran_in(shop)[0].pod == "web"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--", "true"), "it is not said what to look at"),
        (("pod/web/", "--", "true"), "names nothing that can be looked at"),
        (("secret/web", "--", "true"), "names nothing that can be looked at"),
        (("node/one/two", "--", "true"), "a node has no namespace"),
        (("web", "-l", "app=web", "--", "true"), "both say which pod"),
        (("web", "--ttl", "1", "--", "true"), "too short"),
        (("web", "--node", "one", "--", "true"), "are for a new pod"),
        (("new", "--target", "main", "--", "true"), "names a container of a pod that is there"),
        (("web",), "no terminal for a shell, and no command"),
        (("web", "-o", "json"), "is for a command"),
        (("web", "-o", "name", "--", "true"), "has no `-o name` output"),
        (("web", "true"), "unexpected extra argument"),
        (("web", "--profile", "root", "--", "true"), "is not one of"),
    ],
)
def test_what_makes_no_sense_is_exit_2_and_makes_nothing(
    shop: FakeCluster, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    ran = command("debug", "shell", "-n", "shop", *arguments)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert "hint:" in ran.err
    assert all(seen.method == "GET" for seen in shop.seen)


def test_a_namespace_that_refuses_is_told_with_what_to_do(shop: FakeCluster, command: Command) -> None:
    guests.refuses(shop)
    ran = command("debug", "shell", "pod/shop/web", "--", "true")
    assert ran.code == 5
    assert "PodSecurity of namespace `shop` does not let profile `netadmin` in" in ran.err
    assert "--profile restricted" in ran.err
    assert "ciliumctl debug shell node/one" in ran.err
    assert all(seen.query.get("dryRun") for seen in shop.seen if seen.method in {"PATCH", "POST"})
    ran = command("debug", "shell", "pod/shop/web", "-o", "json", "--", "true")
    assert (ran.code, ran.json["error"]["code"], ran.json["kind"]) == (5, "forbidden", "DebugRun")


def test_who_may_not_is_told_which_right_is_missing(shop: FakeCluster, command: Command) -> None:
    said = (
        'pods "web" is forbidden: User "eve" cannot patch resource "pods/ephemeralcontainers" in API group "" in the '
        'namespace "shop"'
    )
    shop.faults.append(Fault(pattern="PATCH", status=403, message=said))
    ran = command("debug", "shell", "pod/shop/web", "--", "true")
    assert ran.code == 5
    assert "pods/ephemeralcontainers" in ran.err


@pytest.mark.usefixtures("shop")
def test_a_pod_that_is_not_there_is_exit_5(command: Command) -> None:
    ran = command("debug", "shell", "pod/gone", "-n", "shop", "--", "true")
    assert ran.code == 5
    assert "there is no pod `gone` in namespace `shop`" in ran.err


def test_a_command_that_cannot_start_is_ours_to_tell(shop: FakeCluster, command: Command) -> None:
    shop.program = lambda call: Answer() if ends(call) else Answer(status=400, stderr="container is not running")
    ran = command("debug", "shell", "pod/shop/web", "--", "true")
    assert ran.code == 5
    assert "error:" in ran.err


# A pipe


def test_what_is_piped_in_goes_to_the_command(shop: FakeCluster, tmp_path: Path) -> None:
    heard = bytearray()

    def cat(conversation: Conversation) -> int:
        while True:
            channel, data = conversation.hear()
            if channel == 255:
                conversation.say(f"{len(heard)} bytes\n")
                return 7
            heard.extend(data)

    shop.program = lambda call: Answer() if ends(call) else Answer(talk=cat)
    env = quiet_environ(tmp_path, KUBECONFIG=str(shop.kubeconfig(tmp_path)))
    sent = bytes(range(256)) * 1000
    ran = run_process("debug", "shell", "pod/shop/web", "--", "cat", env=env, stdin=sent)
    assert (ran.code, ran.out) == (7, "256000 bytes\n")
    assert bytes(heard) == sent


def test_a_script_on_standard_input_is_run_by_a_shell(shop: FakeCluster, tmp_path: Path) -> None:
    env = quiet_environ(tmp_path, KUBECONFIG=str(shop.kubeconfig(tmp_path)))
    ran = run_process("debug", "shell", "pod/shop/web", env=env, stdin=b"ip address\n")
    assert ran.code == 0, ran.err
    (call,) = ran_in(shop)
    assert call.command[2:4] == ("sh", "-c")
    assert (call.stdin, call.tty) == (True, False)


def test_no_input_leaves_standard_input_to_the_loop_that_reads_it(shop: FakeCluster, tmp_path: Path) -> None:
    env = quiet_environ(tmp_path, KUBECONFIG=str(shop.kubeconfig(tmp_path)))
    ran = run_process("--no-input", "debug", "shell", "pod/shop/web", "--", "true", env=env, stdin=b"pod/shop/api\n")
    assert ran.code == 0, ran.err
    (call,) = ran_in(shop)
    assert (call.stdin, call.tty) == (False, False)
    ran = run_process("--no-input", "debug", "shell", "pod/shop/web", env=env, stdin=b"ip address\n")
    assert (ran.code, "`--no-input` reads no script" in ran.err) == (2, True)


# A terminal


@pytest.fixture
def at_terminal(shop: FakeCluster, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Run the command line at a terminal."""
    env = quiet_environ(tmp_path, KUBECONFIG=str(shop.kubeconfig(tmp_path)), PYTHONPATH=str(HERE), TERM="vt100")
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        terminal = Terminal([sys.executable, "-m", "ciliumctl", *arguments], env=env, cwd=tmp_path)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def _shell(conversation: Conversation) -> int:
    """Says what it hears: sizes, and keys; `q` ends it."""
    while True:
        channel, data = conversation.hear()
        if channel == 4:
            size = json.loads(data)
            conversation.say(f"<size {size['Width']}x{size['Height']}>")
        elif channel == 0:
            conversation.say(f"<keys {data.hex()}>")
            if data == b"q":
                return 42


def _talks(cluster: FakeCluster, talk: Callable[[Conversation], int]) -> None:
    cluster.program = lambda call: Answer() if ends(call) else Answer(talk=talk)


def test_a_terminal_is_the_command_s_until_it_ends(shop: FakeCluster, at_terminal: Callable[..., Terminal]) -> None:
    _talks(shop, _shell)
    terminal = at_terminal("debug", "shell", "pod/shop/web")
    terminal.until("Ctrl-D leaves")
    terminal.until("<size 100x30>")
    assert terminal.is_raw()
    terminal.type("\x03\x04\x1a")
    terminal.until("<keys 03041a>")
    terminal.resize(80, 24)
    terminal.until("<size 80x24>")
    terminal.type("q")
    assert terminal.ended() == 42
    assert not terminal.is_raw()
    (call,) = ran_in(shop)
    assert (call.tty, call.stdin) == (True, True)
    assert "TERM=vt100" in call.command


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_as_it_was_and_nothing_behind(
    shop: FakeCluster, at_terminal: Callable[..., Terminal], number: signal.Signals, code: int
) -> None:
    _talks(shop, _shell)
    terminal = at_terminal("debug", "shell", "new", "-n", "shop")
    terminal.until("<size 100x30>")
    assert ours(shop)
    terminal.signal(number)
    assert terminal.ended() == code
    assert not terminal.is_raw()
    assert ours(shop) == []


def test_a_connection_that_is_cut_is_exit_5_at_a_sane_terminal(
    shop: FakeCluster, at_terminal: Callable[..., Terminal]
) -> None:
    def cut(conversation: Conversation) -> int:
        conversation.hear()
        raise ConnectionResetError

    _talks(shop, cut)
    terminal = at_terminal("debug", "shell", "pod/shop/web")
    assert terminal.ended() == 5
    assert "error:" in terminal.shown
    assert not terminal.is_raw()


# The agent


def test_a_command_runs_in_the_agent_of_a_node(shop: FakeCluster, command: Command) -> None:
    for target in ("one", "node/one", "pod/shop/web"):
        shop.calls.clear()
        ran = command("debug", "agent", target, "--", "cilium-dbg", "status")
        assert (ran.code, ran.out) == (0, "status\n"), ran.err
        (call,) = shop.calls
        assert (call.namespace, call.pod, call.container) == ("kube-system", "cilium-aaaaa", "cilium-agent")


def test_at_a_terminal_the_agent_s_commands_are_named(shop: FakeCluster, at_terminal: Callable[..., Terminal]) -> None:
    shop.program = lambda call: Answer(talk=_shell) if call.tty else Answer(stdout="cilium\n")
    terminal = at_terminal("debug", "agent", "one")
    shown = terminal.until("<size 100x30>")
    assert "cilium endpoint list" in shown, "what the program is called before 1.15"
    terminal.type("q")
    assert terminal.ended() == 42


def test_an_interrupt_ends_what_runs_in_the_agent(shop: FakeCluster, at_terminal: Callable[..., Terminal]) -> None:
    _talks(shop, _shell)
    terminal = at_terminal("debug", "agent", "one", "--", "sleep", "100")
    terminal.until("<size 100x30>")
    terminal.signal(signal.SIGTERM)
    assert terminal.ended() == 143
    assert ends(shop.calls[-1])
    assert shop.calls[-1].command[5] in shop.calls[-2].command[1], "the session that it ends is the one that ran"


def test_a_node_without_an_agent_is_named(shop: FakeCluster, command: Command) -> None:
    shop.add(objects.node("bare"))
    ran = command("debug", "agent", "bare", "--", "true")
    assert ran.code == 5
    assert "no agent of Cilium runs on node `bare`" in ran.err
    assert command("debug", "agent", "pod/shop/gone", "--", "true").code == 5
    assert command("debug", "agent").code == 2


# Cleaning up


@pytest.mark.usefixtures("shop")
def test_nothing_to_clean_up_is_fine(command: Command) -> None:
    ran = command("debug", "cleanup")
    assert (ran.code, ran.out) == (0, "nothing of ours is there\n")


def _forgotten(cluster: FakeCluster, name: str, *, owner: str = "eve@desk", over: bool = True) -> None:
    pod = objects.pod(name, place="shop", labels={"ciliumctl.io/guest": "capture"})
    expires = "2020-01-01T00:00:00+00:00" if over else time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(2**32))
    pod["metadata"]["annotations"] = {"ciliumctl.io/expires": expires, "ciliumctl.io/owner": owner}
    cluster.add(pod)


def test_what_is_over_goes_and_the_rest_is_shown(shop: FakeCluster, command: Command) -> None:
    command("debug", "shell", "pod/shop/web", "--keep", "--", "true")
    _forgotten(shop, "over")
    _forgotten(shop, "theirs", over=False)
    ran = command("debug", "cleanup", "-o", "json")
    assert ran.code == 0, ran.err
    schema = json.loads((HERE / "docs" / "reference" / "schemas" / "DebugCleanup.json").read_text(encoding="utf-8"))
    assert list(violations(ran.json, schema, schema)) == []
    assert {one["pod"]: one["outcome"] for one in ran.json["data"]["guests"]} == {
        "over": "removed",
        "theirs": "in-use",
        "web": "in-use",
    }
    text = command("debug", "cleanup", "--all")
    assert text.code == 0
    assert [line.split()[1] for line in text.out.splitlines() if "removed" in line] == ["web"]
    assert "eve@desk" in text.out
    assert shop.get("pods", "theirs", "shop") is not None
    assert shop.calls[-1].command[-1] == "1"


def test_those_of_others_go_after_a_yes(shop: FakeCluster, command: Command) -> None:
    _forgotten(shop, "theirs", over=False)
    ran = command("debug", "cleanup", "--all-users")
    assert (ran.code, shop.get("pods", "theirs", "shop") is None) == (3, False)
    assert "--yes" in ran.err
    ran = command("debug", "cleanup", "--all-users", "--yes", "-o", "name")
    assert (ran.code, ran.out) == (0, "pod/shop/theirs\n")
    assert shop.get("pods", "theirs", "shop") is None


def test_what_stays_is_exit_7_with_a_table(shop: FakeCluster, command: Command) -> None:
    _forgotten(shop, "over")
    shop.faults.append(Fault(pattern="DELETE", status=500, message="no"))
    ran = command("debug", "cleanup")
    assert ran.code == 7
    assert "failed" in ran.out
    assert "1 of 1 could not be ended" in ran.err
    ran = command("debug", "cleanup", "-o", "json")
    assert (ran.code, ran.json["error"]["code"]) == (7, "partial")
    assert ran.json["data"]["guests"][0]["detail"]


def test_only_one_namespace_is_looked_at_when_asked(shop: FakeCluster, command: Command) -> None:
    _forgotten(shop, "over")
    assert command("debug", "cleanup", "-n", "kube-system").out == "nothing of ours is there\n"
    assert all("/namespaces/kube-system/" in seen.path for seen in shop.seen)
