"""Assertions about live pods: how a file is read, what the end of a probe means, and when one holds."""

from __future__ import annotations

import pytest

from ciliumctl.errors import BadFile
from ciliumctl.policies import trying
from ciliumctl.policies.model import Answer, Passage, Verdict
from ciliumctl.policies.trying import judging, probing
from ciliumctl.policies.trying.assertions import Assertion
from ciliumctl.policies.trying.probing import Seen
from ciliumctl.policies.trying.result import PolicyTest, Tried, tap

_POD = "{k8sResource: {kind: pod, name: a, namespace: shop}}"
_GOOD = f"{{name: x, src: {_POD}, dst: {{host: {{name: 192.0.2.1}}}}, targetPort: 80, expect: deny}}"


def one(text: str = _GOOD, **more: str) -> Assertion:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    (found,) = trying.read(f"- {text[:-1]}{extra}}}", "test.yaml")
    return found


def test_netasserts_own_shape_is_read() -> None:
    text = """
        - name: busybox-deploy-to-echoserver-deploy
          type: k8s
          protocol: tcp
          targetPort: 8080
          timeoutSeconds: 67
          attempts: 3
          exitCode: 1
          src: {k8sResource: {kind: deployment, name: busybox, namespace: busybox}}
          dst: {k8sResource: {kind: statefulset, name: echoserver, namespace: echoserver}}
        """
    (found,) = trying.read(text, "test.yaml")
    assert (found.expect, found.seconds, found.attempts, found.port) == ("deny", 67, 3, 8080)
    assert found.asked == "deployment/busybox/busybox → statefulset/echoserver/echoserver, TCP/8080"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "no list of assertions"),
        ("- 1", "no assertion"),
        (f"- {_GOOD.replace('targetPort', 'targetPrt')}", "unknown field `targetPrt`"),
        (f"- {_GOOD.replace('name: x, ', '')}", "no `name`"),
        (f"- {_GOOD.replace(', expect: deny', '')}", "does not say"),
        (f"- {_GOOD.replace('deny', 'perhaps')}", "does not say"),
        (f"- {_GOOD.replace('deny', 'deny, exitCode: 0')}", "does not say"),
        (f"- {_GOOD.replace('80', '0')}", "`targetPort` is `0`"),
        (f"- {_GOOD.replace('192.0.2.1', '-oProxyCommand=x')}", "no address and no name"),
        (f"- {_GOOD.replace('kind: pod', 'kind: node')}", "names no `node`"),
        (f"- {_GOOD.replace('deny', 'deny, protocol: sctp')}", "`protocol` is `sctp`"),
        (f"- {_GOOD.replace('deny', 'allow, dropReason: POLICY_DENIED')}", "nothing is dropped"),
        (f"- {_GOOD.replace('deny', 'deny, http: {path: x}')}", "`http` asks for"),
        (f"- {_GOOD}\n- {_GOOD}", "two assertions called `x`"),
        ("- [", "not valid YAML"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(BadFile) as caught:
        trying.read(text, "test.yaml")
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("code", "out", "err", "kind", "said"),
    [
        (0, "", "", "tcp", "connected"),
        (0, "200", "", "http", "answered 200"),
        (124, "", "", "tcp", "timed out"),
        (28, "000", "curl: (28) Connection timed out after 1001 ms", "http", "timed out"),
        (1, "", "bash: connect: Connection refused", "tcp", "refused"),
        (7, "000", "curl: (7) Failed to connect to 192.0.2.1 port 80: Connection refused", "http", "refused"),
        (1, "", "bash: connect: No route to host", "tcp", "unreachable"),
        (6, "000", "curl: (6) Could not resolve host: x", "http", "the name was not found"),
        (127, "", "sh: curl: not found", "http", "the pod has not the programs for it: sh: curl: not found"),
    ],
)
def test_the_end_of_a_probe_has_a_meaning(code: int, out: str, err: str, kind: str, said: str) -> None:
    assert probing.judged(code, out, err, http=kind == "http").said == said


def passage(answer: Answer) -> Passage:
    open_ = Verdict(answer="allowed", direction="egress", why="nothing isolates it")
    return Passage(egress=open_, ingress=Verdict(answer=answer, direction="ingress", why="because"))


_SILENCE = Seen(said="timed out", through=None, silent=True)
_REFUSAL = Seen(said="refused", through=None, refused=True)
_AWAY = probing.judged(1, "", "bash: connect: No route to host", http=False)
_ANSWER = Seen(said="connected", through=True)


@pytest.mark.parametrize(
    ("expect", "seen", "answer", "outcome", "word"),
    [
        ("allow", _ANSWER, "allowed", "passed", "connected"),
        ("allow", _SILENCE, "denied", "failed", "because"),
        ("allow", _SILENCE, "allowed", "failed", "the path is broken"),
        ("allow", _REFUSAL, "allowed", "failed", "no server listens"),
        ("deny", _ANSWER, "denied", "failed", "connected"),
        ("deny", _SILENCE, "denied", "passed", "because"),
        ("deny", _SILENCE, "allowed", "failed", "no policy denies it"),
        ("deny", _SILENCE, "unknown", "error", "not known: because, and Hubble does not tell"),
        ("deny", _REFUSAL, "denied", "failed", "what the policies deny got there"),
        ("deny", _REFUSAL, "unknown", "failed", "no server listens"),
        ("deny", _AWAY, "denied", "passed", "because"),
        ("deny", _AWAY, "allowed", "failed", "a broken path"),
        ("allow", _REFUSAL, "denied", "failed", "a drop is silent"),
        ("allow", _AWAY, "allowed", "failed", "the path is broken"),
        ("deny", _REFUSAL, "allowed", "failed", "no server listens"),
        ("deny", Seen(said="the name was not found", through=None), "denied", "error", "name"),
    ],
)
def test_an_assertion_holds_when_what_is_seen_fits_the_policies(
    expect: str, seen: Seen, answer: Answer, outcome: str, word: str
) -> None:
    assertion = one(_GOOD.replace("expect: deny", f"expect: {expect}"))
    found, why = judging.verdict(assertion, seen, passage(answer), None)
    assert found == outcome
    assert word in why


@pytest.mark.parametrize(
    ("expect", "status", "outcome"), [("allow", 200, "passed"), ("allow", 403, "failed"), ("deny", 403, "passed")]
)
def test_a_request_that_the_proxy_denies_is_a_denial(expect: str, status: int, outcome: str) -> None:
    assertion = one(_GOOD.replace("expect: deny", f"expect: {expect}"), http="{path: /}")
    seen = Seen(said=f"answered {status}", through=True, status=status)
    assert judging.verdict(assertion, seen, passage("allowed"), None)[0] == outcome


@pytest.mark.parametrize(
    ("dropped", "outcome"), [(("POLICY_DENIED",), "passed"), (("STALE_OR_UNROUTABLE_IP",), "failed"), ((), "error")]
)
def test_the_reason_of_a_drop_is_hubbles(dropped: tuple[str, ...], outcome: str) -> None:
    assertion = one(dropReason="POLICY_DENIED")
    assert judging.verdict(assertion, _SILENCE, passage("denied"), dropped)[0] == outcome


@pytest.mark.parametrize(
    ("dropped", "outcome"), [(("POLICY_DENIED",), "passed"), (("STALE_OR_UNROUTABLE_IP",), "error"), ((), "error")]
)
def test_where_objects_do_not_tell_only_a_drop_that_hubble_saw_proves_a_denial(
    dropped: tuple[str, ...], outcome: str
) -> None:
    assert judging.verdict(one(), _SILENCE, passage("unknown"), dropped)[0] == outcome


def test_tap_counts_and_says_why() -> None:
    result = PolicyTest(
        file="f",
        tried=(
            Tried(name="a # b", asked="", expected="allow", outcome="passed"),
            Tried(name="c", asked="", expected="deny", outcome="failed", seen="refused", why="it's closed"),
        ),
    )
    lines = tap(result).splitlines()
    assert lines[:4] == ["TAP version 13", "1..2", "ok 1 - a  b", "not ok 2 - c"]
    assert "  reason: 'it''s closed'" in lines
