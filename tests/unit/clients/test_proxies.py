from __future__ import annotations

import pytest

from ciliumctl.clients.proxies import proxy_for

PROXIES = {"HTTPS_PROXY": "http://proxy.example:3128", "HTTP_PROXY": "plain.example:8080"}


def test_the_proxy_is_that_of_the_scheme() -> None:
    assert proxy_for("https://get.helm.sh/x", PROXIES) == "http://proxy.example:3128"
    assert proxy_for("http://get.helm.sh/x", PROXIES) == "http://plain.example:8080"


def test_all_proxy_serves_what_has_none_of_its_own() -> None:
    assert proxy_for("https://get.helm.sh", {"ALL_PROXY": "http://all:1"}) == "http://all:1"


def test_lower_case_variables_come_first() -> None:
    assert proxy_for("https://get.helm.sh", {**PROXIES, "https_proxy": "http://mine:1"}) == "http://mine:1"


def test_without_variables_the_connection_is_direct() -> None:
    assert proxy_for("https://get.helm.sh", {}) == ""


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("https://mirror.example/x", "mirror.example"),
        ("https://mirror.example./x", "mirror.example"),
        ("https://a.mirror.example/x", "mirror.example"),
        ("https://a.mirror.example/x", ".mirror.example"),
        ("https://a.mirror.example/x", "*.mirror.example"),
        ("https://MIRROR.example/x", "other.example, Mirror.Example"),
        ("https://mirror.example:8443/x", "mirror.example:8443"),
        ("https://anything.example", "*"),
        ("https://10.1.2.3/x", "10.0.0.0/8"),
        ("https://10.1.2.3/x", "10.1.2.3"),
        ("https://[fd00::1]/x", "fd00::/8"),
        ("https://[fd00::1]/x", "[fd00::1]"),
        ("https://127.0.0.1:5000/x", ""),
        ("https://localhost:5000/x", ""),
        ("https://[::1]/x", ""),
    ],
)
def test_no_proxy_names_hosts_domains_ports_and_networks(url: str, exceptions: str) -> None:
    assert proxy_for(url, {**PROXIES, "NO_PROXY": exceptions}) == ""


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("https://notmirror.example/x", "mirror.example"),
        ("https://mirror.example.org/x", "mirror.example"),
        ("https://mirror.example:9443/x", "mirror.example:8443"),
        ("https://mirror.example/x", "10.0.0.0/8"),
        ("https://11.1.2.3/x", "10.0.0.0/8"),
        ("https://10.1.2.3/x", "0.1.2.3"),
        ("https://mirror.example/x", " , ,"),
    ],
)
def test_no_proxy_excepts_nothing_else(url: str, exceptions: str) -> None:
    assert proxy_for(url, {**PROXIES, "NO_PROXY": exceptions}) == "http://proxy.example:3128"
