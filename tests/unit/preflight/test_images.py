from __future__ import annotations

from collections.abc import Iterator

import pytest

from ciliumctl.clients.web import Web
from ciliumctl.preflight import images
from tests.world.web import Answer, Site, site


@pytest.fixture
def registry() -> Iterator[Site]:
    with site() as running:
        yield running


def ask(registry: Site, name: str = "cilium/cilium:v1") -> str:
    image = f"127.0.0.1:{registry.port}/{name}"
    return images.published(Web(environ={}), [image])[image]


def manifest(name: str = "cilium/cilium", reference: str = "v1") -> str:
    return f"/v2/{name}/manifests/{reference}"


def test_an_image_that_is_there_and_one_that_is_not(registry: Site) -> None:
    registry.put(manifest(), "{}")
    assert ask(registry) == "there"
    assert ask(registry, "cilium/cilium:v2") == "missing"


def test_a_registry_that_hands_out_tokens_is_asked_for_one(registry: Site) -> None:
    challenge = f'Bearer realm="{registry.url}/token",service="r",scope="repository:cilium/cilium:pull"'
    registry.plan(manifest(), Answer(status=401, headers={"WWW-Authenticate": challenge}), Answer(body=b"{}"))
    registry.put("/token", '{"token": "anonymous"}')
    assert ask(registry) == "there"
    assert registry.asked[-1].headers["Authorization"] == "Bearer anonymous"
    assert "service=r" in registry.asked[1].target


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(status=401)],
        [Answer(status=401, headers={"WWW-Authenticate": "Basic realm=x"})],
        [Answer(status=403)],
        [Answer(status=500)],
    ],
)
def test_what_cannot_be_known_is_said_to_be_unknown(registry: Site, answers: list[Answer]) -> None:
    registry.plan(manifest(), *answers)
    assert ask(registry).startswith("not known: ")


def test_a_token_that_is_refused_leaves_it_unknown(registry: Site) -> None:
    challenge = f'Bearer realm="{registry.url}/token"'
    registry.plan(manifest(), *[Answer(status=401, headers={"WWW-Authenticate": challenge})] * 2)
    registry.put("/token", '{"access_token": "anonymous"}')
    assert ask(registry).startswith("not known: ")


def test_a_registry_that_does_not_answer_is_unknown() -> None:
    assert images.published(Web(environ={}), ["127.0.0.1:1/a/b:c"])["127.0.0.1:1/a/b:c"].startswith("not known: ")


@pytest.mark.parametrize(
    ("image", "address"),
    [
        ("quay.io/cilium/cilium:v1.18.12@sha256:ab", ("quay.io", "cilium/cilium", "sha256:ab")),
        ("quay.io/cilium/cilium:v1.18.12", ("quay.io", "cilium/cilium", "v1.18.12")),
        ("localhost:5000/cilium", ("localhost:5000", "cilium", "latest")),
        ("cilium/cilium:v1", ("", "cilium/cilium:v1", "")),
    ],
)
def test_a_name_has_a_registry_a_repository_and_a_reference(image: str, address: tuple[str, str, str]) -> None:
    assert images.address_of(image) == address
