from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ciliumctl import yaml_files
from ciliumctl.clients.kube.kubeconfig import ConnectOptions, exec_plugin, in_cluster, load, token_file
from ciliumctl.errors import CredentialPlugin, NoKubeconfig, UnknownContext, UsageError


def config(
    name: str, *, server: str = "https://one.example:6443", user: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": "ca.crt"}}],
        "users": [{"name": name, "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml_files.dump(content))
    return path


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_any_kubeconfig_the_error_says_where_was_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NoKubeconfig) as caught:
        load(ConnectOptions(), {})
    assert "neither `--kubeconfig`, nor `KUBECONFIG`" in caught.value.message
    assert "ciliumctl lab up" in caught.value.hint


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NoKubeconfig, match="does not exist"):
        load(ConnectOptions(kubeconfig=str(tmp_path / "no.conf")), {})


@pytest.mark.parametrize("text", ["just words", "[1, 2]", "a: [", "key: value"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.conf"
    path.write_text(text)
    with pytest.raises(NoKubeconfig, match="not a kubeconfig"):
        load(ConnectOptions(kubeconfig=str(path)), {})


def test_an_unknown_context_is_named_with_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conf", config("one"))
    with pytest.raises(UnknownContext) as caught:
        load(ConnectOptions(kubeconfig=str(path), context="two"), {})
    assert "no context `two`" in caught.value.message
    assert "`one`" in caught.value.hint


def test_a_context_that_names_a_missing_cluster_is_said(tmp_path: Path) -> None:
    content = config("one")
    content["clusters"] = []
    with pytest.raises(UnknownContext, match="names the cluster `one`"):
        load(ConnectOptions(kubeconfig=str(write(tmp_path / "a.conf", content))), {})


def test_of_several_files_the_first_decides_as_with_kubectl(tmp_path: Path) -> None:
    first = write(tmp_path / "1" / "a.conf", config("one"))
    second = write(tmp_path / "2" / "b.conf", config("two", server="https://two.example"))
    missing = tmp_path / "3" / "c.conf"
    environ = {"KUBECONFIG": f"{first}:{missing}:{second}"}
    assert load(ConnectOptions(), environ).name == "one"
    assert load(ConnectOptions(context="two"), environ).cluster["server"] == "https://two.example"


def test_paths_are_relative_to_their_own_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sub" / "a.conf", config("one", user={"tokenFile": "token", "exec": {"command": "./plugin"}})
    )
    context = load(ConnectOptions(kubeconfig=str(path)), {})
    assert context.cluster["certificate-authority"] == str(tmp_path / "sub" / "ca.crt")
    assert context.user["tokenFile"] == str(tmp_path / "sub" / "token")
    assert context.user["exec"]["command"] == str(tmp_path / "sub" / "plugin")


def test_impersonation_in_the_kubeconfig_is_honoured(tmp_path: Path) -> None:
    user = {"token": "t", "as": "jane", "as-groups": ["devs"], "as-uid": "7", "as-user-extra": {"why": ["test"]}}
    context = load(ConnectOptions(kubeconfig=str(write(tmp_path / "a.conf", config("one", user=user)))), {})
    assert (context.as_user, context.as_groups, context.as_uid) == ("jane", ("devs",), "7")
    assert context.as_extra == {"why": ("test",)}


def test_flags_replace_the_kubeconfig_s_impersonation(tmp_path: Path) -> None:
    user = {"token": "t", "as": "jane", "as-groups": ["devs"], "as-uid": "7"}
    path = str(write(tmp_path / "a.conf", config("one", user=user)))
    context = load(ConnectOptions(kubeconfig=path, as_user="joe", as_groups=("ops",)), {})
    assert (context.as_user, context.as_groups, context.as_uid) == ("joe", ("ops",), "")


def test_a_group_without_a_user_makes_no_sense(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.conf", config("one")))
    with pytest.raises(UsageError, match="needs `--as`"):
        load(ConnectOptions(kubeconfig=path, as_groups=("ops",)), {})


def test_in_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    for name, text in (("token", "abc"), ("ca.crt", "x"), ("namespace", "tools")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    context = in_cluster(environ, tmp_path)
    assert context is not None
    assert context.cluster["server"] == "https://[fd00::1]:443"
    assert context.namespace == "tools"
    assert in_cluster({}, tmp_path) is None


def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    now = [0.0]
    renewable = token_file(str(path), lambda: now[0])
    assert renewable.current().token == "one"
    path.write_text("two\n")
    assert renewable.current().token == "one"
    now[0] = 61.0
    assert renewable.current().token == "two"


def answer(**status: str) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def test_a_plugin_gives_a_token_and_gets_the_cluster_s_address(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    plugin = program(
        tmp_path / "plugin", f"echo \"$KUBERNETES_EXEC_INFO $ROLE\" > {seen}; echo '{answer(token='abc')}'"
    )
    spec = {
        "command": str(plugin),
        "apiVersion": "client.authentication.k8s.io/v1",
        "env": [{"name": "ROLE", "value": "admin"}],
        "provideClusterInfo": True,
        "interactiveMode": "Never",
    }
    credential = exec_plugin(spec, {"server": "https://x"}, {"PATH": "/bin:/usr/bin"}).current()
    assert credential.token == "abc"
    assert '"server": "https://x"' in seen.read_text()
    assert seen.read_text().rstrip().endswith("admin")


def test_a_plugin_is_run_once_until_its_answer_expires(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    far = answer(token="abc", expirationTimestamp="2999-01-01T00:00:00Z")
    plugin = program(tmp_path / "plugin", f"echo x >> {runs}; echo '{far}'")
    renewable = exec_plugin({"command": str(plugin)}, {}, {"PATH": "/bin"})
    assert [renewable.current().token for _ in range(3)] == ["abc"] * 3
    assert runs.read_text() == "x\n"
    renewable.renew()
    assert renewable.current().token == "abc"
    assert runs.read_text() == "x\nx\n"


def test_a_missing_plugin_is_named_with_its_install_hint() -> None:
    spec = {"command": "no-such-plugin", "installHint": "Get it from example.com."}
    with pytest.raises(CredentialPlugin) as caught:
        exec_plugin(spec, {}, {"PATH": "/nowhere"}).current()
    assert "`no-such-plugin` of the kubeconfig is not installed" in caught.value.message
    assert caught.value.hint == "Get it from example.com."


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo oh no >&2; exit 3", "failed with exit code 3"),
        ("echo not json", "did not answer with an ExecCredential"),
        ("echo '{}'", "did not answer with an ExecCredential"),
        (f"echo '{answer()}'", "without a token or a certificate"),
        (f"echo '{answer(token='x', expirationTimestamp='soon')}'", "did not answer with an ExecCredential"),
    ],
)
def test_a_plugin_that_fails_is_our_error(tmp_path: Path, script: str, message: str) -> None:
    plugin = program(tmp_path / "plugin", script)
    with pytest.raises(CredentialPlugin, match=message):
        exec_plugin({"command": str(plugin)}, {}, {"PATH": "/bin"}).current()


def test_a_plugin_that_hangs_is_given_up(tmp_path: Path) -> None:
    plugin = program(tmp_path / "plugin", "exec sleep 60")
    with pytest.raises(CredentialPlugin, match="gave no answer"):
        exec_plugin({"command": str(plugin), "interactiveMode": "Never"}, {}, {"PATH": "/bin"}, timeout=0.2).current()


def test_a_plugin_that_needs_a_terminal_says_so(tmp_path: Path) -> None:
    plugin = program(tmp_path / "plugin", "true")
    with pytest.raises(CredentialPlugin, match="needs a terminal"):
        exec_plugin({"command": str(plugin), "interactiveMode": "Always"}, {}, {"PATH": "/bin"}).current()
