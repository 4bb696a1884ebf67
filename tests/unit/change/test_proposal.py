from __future__ import annotations

import pytest

from ciliumctl.change.proposal import propose
from ciliumctl.charts import Entry


def entries(*versions: str, needs: str = ">= 1.21.0-0") -> list[Entry]:
    return [Entry(version=version, url="", digest="", kube_version=needs) for version in versions]


ALL = entries("1.17.0-rc.1", "1.16.19", "1.16.2", "1.15.19", "1.15.6")


@pytest.mark.parametrize(
    ("installed", "version"),
    [("1.15.6", "1.15.19"), ("1.15.19", "1.16.19"), ("1.16.2", "1.16.19"), ("1.16.19", ""), ("1.17.0", "")],
)
def test_the_newest_patch_comes_before_the_next_minor(installed: str, version: str) -> None:
    assert propose(installed, ALL, "v1.30.0").version == version


def test_a_version_that_does_not_take_the_cluster_is_not_proposed() -> None:
    found = [*entries("1.16.19", needs=">= 1.99.0-0"), *entries("1.15.19")]
    offer = propose("1.15.19", found, "v1.30.0")
    assert offer.version == ""
    assert "1.16.19 is next, and does not accept Kubernetes 1.30.0" in offer.why


def test_a_gap_in_the_repository_is_not_jumped_over() -> None:
    offer = propose("1.16.19", entries("1.19.6", "1.18.12", "1.16.19"), "v1.30.0")
    assert offer.version == ""
    assert offer.why == "the repository has no 1.17, which comes before its 1.18.12"
