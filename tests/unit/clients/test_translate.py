from __future__ import annotations

import json
import socket
import ssl

import pytest
import urllib3.exceptions
import websocket

from ciliumctl.clients.kube.translate import Busy, Expired, Target, answer_error, connection_error, translated
from ciliumctl.errors import (
    ApiFailed,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TlsFailed,
    Unauthorized,
    Unreachable,
)

TARGET = Target(host="https://api.example:6443", context="prod")


def status(message: str, **more: object) -> bytes:
    return json.dumps({"kind": "Status", "message": message, **more}).encode()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (404, NotFound),
        (409, Conflict),
        (422, Invalid),
        (429, Busy),
        (500, ApiFailed),
        (503, ApiFailed),
    ],
)
def test_each_answer_has_its_error_with_the_server_s_own_words(code: int, kind: type[ClusterError]) -> None:
    error = answer_error(TARGET, "GET", "/x", code, status("its own words"))
    assert type(error) is kind
    assert error.detail == "its own words"


def test_a_forbidden_request_names_who_may_not_do_what_where() -> None:
    text = (
        'daemonsets.apps is forbidden: User "jane" cannot list resource "daemonsets" in API group "apps" '
        'in the namespace "kube-system"'
    )
    error = answer_error(TARGET, "GET", "/apis/apps/v1/namespaces/kube-system/daemonsets", 403, status(text))
    assert isinstance(error, Forbidden)
    assert error.message == "user `jane` may not list `daemonsets.apps` in namespace `kube-system`"
    assert "kubectl auth can-i list daemonsets.apps -n kube-system --as 'jane'" in error.hint


EXEC = "/api/v1/namespaces/shop/pods/web/exec"


def test_a_command_in_a_container_takes_two_verbs_and_the_hint_names_both() -> None:
    text = (
        'pods "web" is forbidden: User "jane" cannot get resource "pods/exec" in API group "" in the namespace "shop"'
    )
    error = answer_error(TARGET, "GET", EXEC, 403, status(text))
    assert error.message == "user `jane` may not get `pods/exec` in namespace `shop`"
    assert "the rights `get` and `create` on `pods/exec`" in error.hint
    assert "kubectl auth can-i get pods --subresource=exec -n shop --as 'jane'" in error.hint


def test_kubernetes_1_35_refuses_a_command_without_naming_the_verb() -> None:
    error = answer_error(TARGET, "GET", EXEC, 403, status('pods "web" is forbidden: '))
    assert "the rights `get` and `create` on `pods/exec`" in error.hint
    error = answer_error(TARGET, "GET", EXEC, 403, status('admission webhook "x" denied the request: no exec'))
    assert "create" not in error.hint


def test_a_forbidden_cluster_wide_request_says_so() -> None:
    text = 'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope'
    error = answer_error(TARGET, "GET", "/api/v1/nodes", 403, status(text))
    assert error.message == "user `jane` may not list `nodes` in the whole cluster"


def test_an_admission_webhook_s_no_is_forbidden_too() -> None:
    error = answer_error(TARGET, "POST", "/x", 403, status("admission webhook denied the request"))
    assert isinstance(error, Forbidden)
    assert "admission webhook denied" in error.message


def test_a_load_balancer_s_page_is_shown_in_short() -> None:
    error = answer_error(TARGET, "GET", "/x", 502, b"<html>Bad Gateway</html>")
    assert "<html>Bad Gateway</html>" in error.message


def test_a_list_that_grew_too_old_can_go_on() -> None:
    error = answer_error(TARGET, "GET", "/x", 410, status("too old", metadata={"continue": "abc"}))
    assert isinstance(error, Expired)
    assert error.token == "abc"


POOL = object()


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), Unreachable, "refuses the connection"),
        (socket.gaierror(-2, "Name or service not known"), Unreachable, "cannot be resolved"),
        (TimeoutError("timed out"), Unreachable, "did not answer in time"),
        (OSError(113, "No route to host"), Unreachable, "No route to host"),
        (urllib3.exceptions.ReadTimeoutError(POOL, "/", "x"), Unreachable, "did not answer in time"),  # type: ignore[arg-type]
        (urllib3.exceptions.ProxyError("Tunnel failed", OSError("403")), Unreachable, "the proxy in front"),
        (ssl.SSLError("certificate verify failed: self-signed certificate"), TlsFailed, "not signed by"),
        (ssl.SSLError("Hostname mismatch, certificate is not valid for 'x'"), TlsFailed, "for another name"),
        (ssl.SSLError("certificate has expired"), TlsFailed, "has expired"),
        (ssl.SSLError("wrong version number"), TlsFailed, "TLS connection"),
        (websocket.WebSocketTimeoutException("x"), Unreachable, "did not answer in time"),
        (websocket.WebSocketConnectionClosedException("x"), ApiFailed, "was cut"),
    ],
)
def test_each_way_of_not_getting_through_is_told_apart(cause: Exception, kind: type[ClusterError], words: str) -> None:
    error = connection_error(TARGET, cause)
    assert type(error) is kind
    assert words in error.message
    assert "`https://api.example:6443` of context `prod`" in error.message
    assert error.hint


@pytest.mark.parametrize(
    "foreign",
    [OSError("x"), urllib3.exceptions.ProtocolError("x"), websocket.WebSocketException("x"), UnicodeError("x")],
)
def test_no_foreign_exception_leaks(foreign: Exception) -> None:
    with pytest.raises(ClusterError) as caught, translated(TARGET):
        raise foreign
    assert caught.value.__cause__ is foreign


def test_our_own_errors_pass_unchanged() -> None:
    mine = NotFound("x")
    with pytest.raises(NotFound) as caught, translated(TARGET):
        raise mine
    assert caught.value is mine
