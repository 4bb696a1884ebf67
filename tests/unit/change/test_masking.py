from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import yaml_files
from ciliumctl.change.masking import Masker
from ciliumctl.values.secrets import is_secret_path

SECRETS = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=30)


def secret(data: dict[str, str], name: str = "s") -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


@given(st.dictionaries(st.sampled_from(["tls.crt", "tls.key", "ca.crt", "password"]), SECRETS, min_size=1))
def test_no_value_of_a_secret_is_shown_plain_or_encoded(data: dict[str, str]) -> None:
    shown = yaml_files.lay_out(Masker().manifest(secret(data)))
    for value in data.values():
        assert value not in shown
        assert base64.b64encode(value.encode()).decode() not in shown


@given(st.lists(SECRETS, min_size=1, max_size=8))
def test_the_same_secret_has_the_same_number_and_another_one_another(values: list[str]) -> None:
    masker = Masker()
    shown = [masker.manifest(secret({"key": value}))["data"]["key"] for value in values]
    for first, one in zip(values, shown, strict=True):
        for second, two in zip(values, shown, strict=True):
            assert (first == second) == (one == two)


def test_data_and_string_data_of_the_same_value_have_the_same_number() -> None:
    masker = Masker()
    encoded = masker.manifest(secret({"key": "hunter2hunter2"}))["data"]["key"]
    written = masker.manifest({"kind": "Secret", "stringData": {"key": "hunter2hunter2"}})["stringData"]["key"]
    assert encoded == written == "<-- value not shown (#1)"


def test_what_kubectl_keeps_of_a_secret_is_hidden_too() -> None:
    item = secret({"key": "x"})
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"key":"eA=="}}'}
    assert "eA==" not in yaml_files.lay_out(Masker().manifest(item))


def test_other_objects_are_shown_as_they_are() -> None:
    item = {"kind": "ConfigMap", "data": {"tls.key": "no secret here"}}
    assert Masker().manifest(item) == item


def test_secrets_in_helm_values_are_hidden_however_deep_they_are() -> None:
    shown = Masker().value(
        {"clusters": [{"name": "one", "tls": {"cert": "public", "key": "private-one"}}], "ca": {"key": ""}}
    )
    assert shown["clusters"][0]["tls"] == {"cert": "public", "key": "<-- value not shown (#1)"}
    assert shown["ca"] == {"key": ""}, "what is empty is no secret"
    assert is_secret_path(("tls", "ca", "key"))
    assert not is_secret_path(("tls", "ca", "cert"))
