from __future__ import annotations

from typing import Any

import pytest

from ciliumctl.clients.helm import SetFlag
from ciliumctl.values import secrets
from ciliumctl.values.layers import of_flags

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ==\n-----END EC PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "values",
    [
        {"hubble": {"tls": {"server": {"key": "hunter2"}}}},
        {"clusters": [{"name": "one", "tls": {"cert": "public", "key": "hunter2"}}]},
        {"peer": {"cert": "public", "key": "hunter2"}},
        {"etcd": {"password": 12345}},
        {"azure": {"clientSecret": "hunter2"}},
        {"extraEnv": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"}]},
        {"extraEnv": [{"name": "DB", "value": "postgres://me:hunter2@db/x"}]},
        {"tokens": {"apiToken": ["hunter2"]}},
        {"extra": {"pem": PEM}},
    ],
)
def test_what_looks_like_a_secret_is_hidden(values: dict[str, Any]) -> None:
    text = str(secrets.hidden(values))
    assert secrets.HIDDEN in text
    assert "hunter2" not in text
    assert "12345" not in text
    assert "MHcCAQ" not in text
    assert len(list(secrets.found(values))) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"tolerations": [{"key": "node.cilium.io/agent-not-ready", "operator": "Exists"}]},
        {
            "extraEnv": [
                {"name": "LOG", "value": "debug"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"key": "k"}}},
            ]
        },
        {"encryption": {"ipsec": {"keyFile": "keys", "secretName": "cilium-ipsec-keys"}}},
        {"tls": {"ca": {"key": "", "cert": "public"}}, "automountServiceAccountToken": True},
    ],
)
def test_what_only_has_such_a_name_stays(values: dict[str, Any]) -> None:
    assert secrets.hidden(values) == values
    assert list(secrets.found(values)) == []


def test_a_value_is_judged_by_where_it_stands() -> None:
    assert secrets.hidden("x", ("tls", "ca", "key")) == secrets.HIDDEN
    assert secrets.hidden("x", ("tls", "ca", "cert")) == "x"


def test_a_flag_with_a_secret_is_named_without_it() -> None:
    flags = (SetFlag(kind="set", text="tls.ca.key=hunter2"), SetFlag(kind="set", text="debug.enabled=true"))
    parsed: dict[str, Any] = {
        "tls.ca.key=hunter2": {"tls": {"ca": {"key": "hunter2"}}},
        "debug.enabled=true": {"debug": {"enabled": True}},
    }
    layers = of_flags(flags, lambda inputs: parsed[inputs.flags[0].text])
    assert [layer.origin for layer in layers] == ["--set tls.ca.key=…", "--set debug.enabled=true"]
