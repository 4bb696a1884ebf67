"""No secret goes through; what is none stays."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import yaml_files
from ciliumctl.sysdump.redact import REDACTED, is_secret, manifest, text

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: Long and odd enough to be in no text by accident.
SECRETS = st.text(_LETTERS, min_size=20, max_size=60).map(lambda said: f"Zq9{said}")
#: What stands around a secret; nothing that would make another word of it.
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=60).map(lambda said: f"{said}\n")
NAMES = st.sampled_from(
    [
        "password",
        "PASSWORD",
        "DB_PASSWORD",
        "token",
        "authToken",
        "apiKey",
        "api-key",
        "api_key",
        "client-secret",
        "aws.secretAccessKey",
        "private_key",
        "client-key-data",
        "passphrase",
        "x-auth-token",
    ]
)
FORMS = st.sampled_from(
    ["{n}={s}", "{n}: {s}", '{n}: "{s}"', '"{n}":"{s}"', '"{n}": "{s}"', "--{n}={s}", "--{n} {s}", "{n}='{s}'"]
)
#: Secrets that are known by their form.
SHAPES = st.sampled_from(
    [
        "Authorization: Bearer {s}",
        "authorization: basic {s}=",
        "eyJhbGciOiJSUzI1NiJ9.{s}.{s}",
        "https://user:{s}@example.com/path",
        "postgres://{s}@db:5432",
        "-----BEGIN PRIVATE KEY-----\n{s}\n{s}\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\\n{s}\\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\n{s}\n",
        "GET /?access_token={s}&x=1",
    ]
)


@given(AROUND, NAMES, FORMS, SECRETS, AROUND)
def test_a_named_secret_never_goes_through(before: str, name: str, form: str, secret: str, after: str) -> None:
    said = text(before + form.format(n=name, s=secret) + "\n" + after)
    assert secret not in said


@given(AROUND, SHAPES, SECRETS, AROUND)
def test_a_secret_with_a_form_of_its_own_never_goes_through(before: str, form: str, secret: str, after: str) -> None:
    assert secret not in text(before + form.format(s=secret) + "\n" + after)


@given(AROUND, SECRETS)
def test_nor_does_a_key_in_base64(before: str, secret: str) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{secret}\n-----END CERTIFICATE-----\n"
    packed = base64.b64encode(pem.encode()).decode()
    assert packed not in text(f"{before}caBundle: {packed}\n")
    assert packed[20:40] not in text(f"{before} {packed}\n")


@given(st.text(max_size=300))
def test_the_same_text_again_is_changed_no_more(said: str) -> None:
    once = text(said)
    assert text(once) == once


@given(AROUND, st.one_of(SHAPES, FORMS), NAMES, SECRETS)
def test_nor_is_one_with_secrets(before: str, form: str, name: str, secret: str) -> None:
    once = text(before + form.format(n=name, s=secret))
    assert text(once) == once


@pytest.mark.parametrize(
    "line",
    [
        "automountServiceAccountToken: true",
        'enable-ipsec-key-watcher: "true"',
        "ipsec-key-file: /etc/ipsec/keys",
        "hubble-tls-key-file: /var/lib/cilium/tls/hubble/server.key",
        "secretName: hubble-server-certs",
        "- key: node-role.kubernetes.io/control-plane",
        "KVStore:  Ok   Disabled",
        "203.0.113.5 via 192.0.2.2 dev eth0 src 192.0.2.1",
        "token:",
        "10.0.1.1:443/TCP (active)   1    ClusterIP",
        'level=info msg="Serving cilium node monitor v1.2 API at unix:///var/run/cilium/monitor1_2.sock"',
        "https://github.com/cilium/cilium",
        "mail jane@example.com",
        "WireGuard: Disabled, basic information",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert text(line) == line


def test_the_name_and_what_is_around_stay_so_that_a_reader_sees_what_was_there() -> None:
    assert text('time=1 --etcd-password=hunter2 msg="x"') == f'time=1 --etcd-password={REDACTED} msg="x"'
    assert text('{"token": "abc", "a": 1}') == f'{{"token": "{REDACTED}", "a": 1}}'
    assert text("url=https://u:p@h/x") == f"url=https://{REDACTED}@h/x"
    assert text("x Bearer abcdefgh1 y") == f"x Bearer {REDACTED} y"
    key = "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nafter"
    assert text(key) == f"-----BEGIN EC PRIVATE KEY-----{REDACTED}\nafter"
    assert text("aead rfc4106(gcm(aes)) 0x0123456789abcdef0123 128") == f"aead rfc4106(gcm(aes)) {REDACTED} 128"


def test_names_are_told_by_their_last_word() -> None:
    assert all(map(is_secret, ("PASSWORD", "k8s-token", "apiKey", "client-key-data", "AWS_SECRET_ACCESS_KEY")))
    assert not any(map(is_secret, ("token-file", "secretName", "key", "tokens-per-second", "cluster-name")))


def test_env_command_lines_and_config_maps_lose_their_secrets() -> None:
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "managedFields": [{"manager": "helm"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "me"},
        },
        "spec": {
            "containers": [
                {
                    "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "MODE", "value": "fast"}],
                    "args": ["--token", "hunter2", "--debug", "--password=hunter2"],
                }
            ]
        },
    }
    found = manifest(pod)
    assert found is not None
    assert "hunter2" not in json.dumps(found)
    assert found["metadata"] == {"name": "a", "annotations": {"keep": "me"}}
    assert found["spec"]["containers"][0]["env"][1] == {"name": "MODE", "value": "fast"}
    assert found["spec"]["containers"][0]["args"][2] == "--debug"
    config = manifest({"kind": "ConfigMap", "data": {"etcd-password": "hunter2", "ipam": "cluster-pool"}})
    assert config is not None
    assert config["data"] == {"etcd-password": REDACTED, "ipam": "cluster-pool"}


def test_a_secret_object_is_never_shown() -> None:
    assert manifest({"kind": "Secret", "data": {"a": "b"}}) is None


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(_LETTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(_LETTERS, max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(_VALUES, NAMES, SECRETS)
def test_no_secret_goes_through_an_object_however_deep(around: Any, name: str, secret: str) -> None:
    found = manifest(
        {
            "kind": "X",
            "metadata": {"name": "x"},
            "around": around,
            "spec": [{"deep": {name: secret}}, {"name": name, "value": secret}, [f"{name}={secret}"]],
        }
    )
    assert secret not in yaml_files.dump(found)


@pytest.mark.parametrize(
    "piece", ["a", "-", "--a", "-----BEGIN A-----\n", "password ", "a://", "eyJa.", "token: '", 'token: \\"', "rfc1("]
)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    def took(size: int) -> float:
        began = time.process_time()
        text(piece * (size // len(piece)))
        return time.process_time() - began

    # Ten times as long: a hundred times where it is quadratic.
    assert took(200_000) < 40 * max(took(20_000), 0.005)
