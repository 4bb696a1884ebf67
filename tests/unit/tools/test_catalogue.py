from __future__ import annotations

import pytest

from ciliumctl.errors import UsageError
from ciliumctl.tools.catalogue import (
    MACHINES,
    SYSTEMS,
    Platform,
    exact_version,
    here,
    load,
    platform_of,
    tool,
    version_in,
)
from ciliumctl.tools.checksums import is_sum

ALL = list(load().values())
LINUX = Platform("linux", "amd64")


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_the_data_file_is_complete_for(entry: object) -> None:
    from ciliumctl.tools.catalogue import Tool

    assert isinstance(entry, Tool)
    assert exact_version(entry.version) == entry.version
    assert entry.base.startswith("https://")
    assert not entry.base.endswith("/")
    assert entry.ask
    assert entry.about
    for name in entry.platforms:
        where = Platform(*name.split("-"))
        assert where.os in SYSTEMS
        assert where.arch in MACHINES
        assert "{" not in entry.address(entry.version, where) + entry.member_of(entry.version, where)
        if entry.version not in entry.file_name(entry.version, where):
            assert f"/v{entry.version}/" in entry.address(entry.version, where)


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_every_known_version_can_be_verified(entry: object) -> None:
    from ciliumctl.tools.catalogue import Tool

    assert isinstance(entry, Tool)
    for version, sums in entry.sha256.items():
        assert exact_version(version) == version
        for platform, value in sums.items():
            assert platform in entry.platforms
            assert is_sum(value)
    pinned = entry.sha256.get(entry.version, {})
    assert entry.checksums or pinned
    if entry.module is not None:
        assert entry.module.sum.startswith("h1:")
        assert entry.module.version == entry.version
        assert entry.package.startswith(entry.module.name)
        assert all(entry.package.split("/")) or entry.module.name
        assert any(entry.version in value for value in entry.module.variables.values()) or not entry.module.variables


def test_no_two_files_have_the_same_sum() -> None:
    every = [value for entry in ALL for sums in entry.sha256.values() for value in sums.values()]
    assert len(every) == len(set(every))


def test_helm_renders_for_a_current_kubernetes_when_it_is_built() -> None:
    module = tool("helm").module
    assert module is not None
    assert int(module.variables["helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor"]) >= 34


def test_the_official_addresses_are_right() -> None:
    assert tool("cilium").address("0.19.7", LINUX) == (
        "https://github.com/cilium/cilium-cli/releases/download/v0.19.7/cilium-linux-amd64.tar.gz"
    )
    assert tool("cilium").address("0.19.7", Platform("windows", "arm64")).endswith("/cilium-windows-arm64.zip")
    assert tool("helm").checksum_address("3.22.0", LINUX) == (
        "https://get.helm.sh/helm-v3.22.0-linux-amd64.tar.gz.sha256sum"
    )
    assert tool("helm").member_of("3.22.0", Platform("windows", "amd64")) == "windows-amd64/helm.exe"
    assert tool("kubectl").address("1.34.4", LINUX) == "https://dl.k8s.io/release/v1.34.4/bin/linux/amd64/kubectl"
    assert tool("etcd").checksum_address("3.6.6", LINUX).endswith("/v3.6.6/SHA256SUMS")


def test_a_mirror_stands_for_everything_before_the_version() -> None:
    address = tool("cilium").address("0.19.7", LINUX, "https://mirror.example/cilium/")
    assert address == "https://mirror.example/cilium/v0.19.7/cilium-linux-amd64.tar.gz"
    assert tool("kube-apiserver").mirror_variable == "CILIUMCTL_KUBERNETES_BASE_URL"
    assert tool("helm").base_from({"CILIUMCTL_HELM_BASE_URL": "https://m"}) == "https://m"


def test_a_program_that_is_not_published_for_a_platform_says_for_which_it_is() -> None:
    with pytest.raises(UsageError, match="not published for `windows-arm64`") as caught:
        tool("hubble").check(Platform("windows", "arm64"))
    assert "linux-amd64" in caught.value.hint


def test_an_unknown_program_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="`calico` is no program") as caught:
        tool("calico")
    assert "cilium" in caught.value.hint
    assert "helm4" not in caught.value.hint


def test_platforms_go_by_several_names() -> None:
    assert platform_of("darwin", "aarch64") == platform_of("macos", "arm64") == Platform("darwin", "arm64")
    assert platform_of("linux", "x86_64") == LINUX
    assert platform_of("", "") == here()
    assert platform_of("windows", "").arch == here().arch
    with pytest.raises(UsageError, match="freebsd"):
        platform_of("freebsd", "amd64")
    with pytest.raises(UsageError, match="riscv64"):
        platform_of("", "riscv64")


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("cilium-cli: v0.19.7 compiled with go1.26.3 on linux/amd64\ncilium image (default): v1.18.2", "0.19.7"),
        ("cilium-cli: v0.19.0-rc.1 compiled with go1.26.3", "0.19.0-rc.1"),
        ("cilium-cli: (devel) compiled with go1.26.3 on linux/amd64", ""),
        ("v3.22.0+g144ca65", "3.22.0"),
        ("v3.22", ""),
        ("hubble v1.19.4@HEAD-8f3c compiled with go1.25.1 on linux/amd64", "1.19.4"),
        ("kwok version v0.8.0 go1.26.8 (linux/amd64)", "0.8.0"),
        ("kind v0.33.0 go1.26.0 linux/amd64", "0.33.0"),
        ("etcd Version: 3.6.6\nGit SHA: Not provided\nGo Version: go1.26.8", "3.6.6"),
        ("CoreDNS-1.15.0\nlinux/amd64, go1.26.0, ", "1.15.0"),
        ("Kubernetes v1.34.4", "1.34.4"),
        ("Client Version: v1.34.4\nKustomize Version: v5.7.1", "1.34.4"),
        ("listening on 127.0.0.1", ""),
        ("", ""),
    ],
)
def test_the_version_is_found_in_a_programs_own_words(words: str, version: str) -> None:
    assert version_in(words) == version


def test_a_version_by_itself_has_nothing_around_it() -> None:
    assert exact_version("v0.19.7\n") == "0.19.7"
    for text in ("0.19", "<html>v0.19.7</html>", "v0.19.7/../..", "latest", ""):
        assert exact_version(text) == ""
