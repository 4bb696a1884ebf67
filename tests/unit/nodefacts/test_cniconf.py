from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.nodefacts.cniconf import VERSIONS, CniFile, active, missing_plugins, parse

CILIUM = {"cniVersion": "0.3.1", "name": "cilium", "plugins": [{"type": "cilium-cni", "log-file": "/x"}]}


def of(file: str, content: Any) -> CniFile:
    return parse(file, json.dumps(content))


def test_cilium_s_own_file_is_good() -> None:
    found = of("05-cilium.conflist", CILIUM)
    assert (found.network, found.version, found.plugins, found.problems) == ("cilium", "0.3.1", ("cilium-cni",), ())
    assert found.cilium
    assert found.considered


def test_a_chain_keeps_its_order() -> None:
    chain = {"name": "k8s", "cniVersion": "1.0.0", "plugins": [{"type": "calico"}, {"type": "portmap"}]}
    assert of("10-calico.conflist", chain).plugins == ("calico", "portmap")


def test_a_single_plugin_is_a_conf() -> None:
    assert of("10-x.conf", {"name": "x", "type": "bridge"}).plugins == ("bridge",)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("a.conflist", [], "no JSON object"),
        ("a.conflist", {"name": "a"}, "`plugins` is no list"),
        ("a.conflist", {"name": "a", "plugins": []}, "`plugins` is no list"),
        ("a.conflist", {"name": "a", "plugins": [{}]}, "plugin 1: it has no `type`"),
        ("a.conflist", {"name": "a", "plugins": [{"type": "../x"}]}, "no program's name"),
        ("a.conflist", {"plugins": [{"type": "x"}]}, "no `name`"),
        ("a.conflist", {"name": "-a", "plugins": [{"type": "x"}]}, "`name` is `-a`"),
        ("a.conflist", {"name": "a", "cniVersion": "9.9.9", "plugins": [{"type": "x"}]}, "never released"),
        ("a.conflist", {"name": "a", "cniVersion": 1, "plugins": [{"type": "x"}]}, "`cniVersion` is no text"),
        ("a.conf", {"name": "a", "plugins": [{"type": "x"}]}, "belongs into a file that ends in `.conflist`"),
        ("a.conf", {"name": "a"}, "it has no `type`"),
    ],
)
def test_what_breaks_the_specification_is_told(file: str, content: Any, says: str) -> None:
    assert any(says in problem for problem in of(file, content).problems)


def test_a_cut_off_file_is_no_json() -> None:
    assert parse("a.conflist", json.dumps(CILIUM)[:-5]).problems == ("it is no JSON",)


def test_runtimes_take_the_first_that_can_be_loaded() -> None:
    broken = parse("00-broken.conflist", "{")
    other = of("10-other.conflist", {"name": "o", "plugins": [{"type": "bridge"}]})
    away = of("01-away.conflist.cilium_bak", {"name": "a", "plugins": [{"type": "bridge"}]})
    found = active([other, of("05-cilium.conflist", CILIUM), broken, away])
    assert found is not None
    assert found.file == "05-cilium.conflist"
    assert away.backup
    assert not away.considered
    assert active([broken]) is None


def test_programs_that_are_not_there_are_named_once() -> None:
    chain = of("a.conflist", {"name": "a", "plugins": [{"type": "x"}, {"type": "portmap"}, {"type": "x"}]})
    assert missing_plugins(chain, ["portmap"]) == ("x",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLUGIN = st.fixed_dictionaries({}, optional={"type": st.text(max_size=12) | JSON, "ipam": JSON})
CONFIGURATION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=12) | JSON,
        "cniVersion": st.sampled_from(VERSIONS) | JSON,
        "plugins": st.lists(PLUGIN, max_size=3) | JSON,
        "type": st.text(max_size=12) | JSON,
    },
)
FILE = st.text(max_size=12) | st.sampled_from(["a.conf", "a.conflist", "a.json", "a.conflist.cilium_bak"])


@given(FILE, st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")))
def test_no_text_makes_it_fail(file: str, text: str) -> None:
    parse(file, text)


@given(FILE, CONFIGURATION)
def test_a_configuration_is_good_exactly_when_a_runtime_could_use_it(file: str, content: dict[str, Any]) -> None:
    found = of(file, content)
    assert all(plugin and "/" not in plugin for plugin in found.plugins)
    if not found.problems:
        assert found.plugins
        assert found.network
        assert found.version in {"", *VERSIONS}


NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,10}", fullmatch=True)
TYPE = st.from_regex(r"[a-z][a-z0-9\-]{0,10}", fullmatch=True)


@given(NAME, st.sampled_from(VERSIONS), st.lists(TYPE, min_size=1, max_size=4))
def test_every_configuration_within_the_specification_is_good(name: str, version: str, types: list[str]) -> None:
    content = {"name": name, "cniVersion": version, "plugins": [{"type": kind} for kind in types]}
    found = of("10-any.conflist", content)
    assert (found.problems, found.plugins) == ((), tuple(types))


@given(st.lists(st.tuples(NAME, st.booleans()), max_size=6, unique_by=lambda pair: pair[0]))
def test_the_active_file_is_the_first_good_one(files: list[tuple[str, bool]]) -> None:
    parsed = [of(f"{name}.conflist", {"name": "n", "plugins": [{"type": "x"}] if good else []}) for name, good in files]
    good_names = sorted(f"{name}.conflist" for name, good in files if good)
    found = active(parsed)
    assert (found.file if found else None) == (good_names[0] if good_names else None)
