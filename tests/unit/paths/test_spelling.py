"""How ends are written."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.errors import UsageError
from ciliumctl.paths import parse


@pytest.mark.parametrize(
    ("text", "kind", "namespace", "name", "port", "protocol"),
    [
        ("pod/shop/web:80", "pod", "shop", "web", "80", ""),
        ("job/shop/load", "workload", "shop", "load", "", ""),
        ("po/web", "pod", "default", "web", "", ""),
        ("deploy/shop/web", "workload", "shop", "web", "", ""),
        ("svc/shop/db:postgres/tcp", "service", "shop", "db", "postgres", "TCP"),
        ("node/one:22", "node", "", "one", "22", ""),
        ("192.0.2.1:53/udp", "address", "", "192.0.2.1", "53", "UDP"),
        ("2001:db8::0:1", "address", "", "2001:db8::1", "", ""),
        ("[2001:db8::1]:443", "address", "", "2001:db8::1", "443", ""),
        ("www.example.com:443", "name", "", "www.example.com", "443", ""),
        ("db.shop.svc.", "name", "", "db.shop.svc", "", ""),
        ("world:80", "world", "", "world", "80", ""),
    ],
)
def test_what_is_written_is_understood(
    text: str, kind: str, namespace: str, name: str, port: str, protocol: str
) -> None:
    end = parse(text, "default", with_port=True)
    assert (end.kind, end.namespace, end.name, end.port, end.protocol) == (kind, namespace, name, port, protocol)


@pytest.mark.parametrize(
    "text",
    ["", "pod/", "pod/a/b/c", "box/a/b", "node/a/b", "pod/a/b:0", "192.0.2.1:70000", "a/b", "x y", "192.0.2.1:1/ip"],
)
def test_what_makes_no_sense_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, "default", with_port=True)
    assert refused.value.hint


def test_a_source_has_no_port() -> None:
    with pytest.raises(UsageError):
        parse("pod/shop/web:80/tcp", "default")


@given(st.text(max_size=30))
def test_any_text_is_an_end_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse(text, "default", with_port=True).name


def test_what_looks_like_an_address_and_is_none_is_no_name() -> None:
    with pytest.raises(UsageError, match=r"`300\.1\.1\.1` is no address"):
        parse("300.1.1.1:80", "shop", with_port=True)
