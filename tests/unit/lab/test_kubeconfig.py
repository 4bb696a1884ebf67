from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import yaml_files
from ciliumctl.errors import Exists, NoKubeconfig
from ciliumctl.lab import kubeconfig
from tests.world.devices import device

LAB = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "lab", "user": {"token": "t"}}],
    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "lab.conf"
    path.write_text(yaml_files.dump(LAB))
    return path


def test_a_lab_s_context_becomes_the_current_one_in_a_new_file(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "home" / "config"
    kubeconfig.add(path, source, "try")
    content = yaml_files.load(path)
    assert content["current-context"] == "try"
    assert content["clusters"] == [{"name": "try", "cluster": {"server": "https://127.0.0.1:1"}}]
    assert path.stat().st_mode & 0o777 == 0o600


def test_other_contexts_are_kept_and_the_one_before_comes_back(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "config"
    before = {**LAB, "current-context": "lab", "preferences": {"colors": True}}
    path.write_text(yaml_files.dump(before))
    kubeconfig.add(path, source, "try")
    kubeconfig.add(path, source, "try")
    assert [entry["name"] for entry in yaml_files.load(path)["contexts"]] == ["lab", "try"]
    kubeconfig.remove(path, "try")
    assert yaml_files.load(path) == before


def test_a_context_that_no_lab_made_is_never_touched(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml_files.dump({**LAB, "current-context": "lab"}))
    with pytest.raises(Exists, match="something else of the name `lab`"):
        kubeconfig.add(path, source, "lab")
    kubeconfig.remove(path, "lab")
    assert yaml_files.load(path) == {**LAB, "current-context": "lab"}


def test_a_file_that_held_nothing_else_goes_with_the_lab(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.add(path, source, "try")
    kubeconfig.remove(path, "try")
    assert not path.exists()
    kubeconfig.remove(path, "try")


def test_a_context_chosen_meanwhile_stays_the_current_one(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml_files.dump({**LAB, "current-context": "lab"}))
    kubeconfig.add(path, source, "try")
    content = yaml_files.load(path)
    path.write_text(yaml_files.dump({**content, "current-context": "lab"}))
    kubeconfig.remove(path, "try")
    assert yaml_files.load(path)["current-context"] == "lab"


def test_a_device_stays_one_and_a_file_is_its_owner_s(tmp_path: Path, source: Path) -> None:
    null, file = device(tmp_path, "null"), tmp_path / "config"
    file.touch(mode=0o644)
    for path in (null, file):
        kubeconfig.add(path, source, "lab")
    assert null.is_char_device()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_kubeconfig_is_not_written_to(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "config"
    path.write_text("- a list\n")
    with pytest.raises(NoKubeconfig):
        kubeconfig.add(path, source, "try")
    assert path.read_text() == "- a list\n"


def test_the_target_is_the_file_named_else_the_first_that_kubectl_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert kubeconfig.target("x.conf", {"KUBECONFIG": "/a:/b"}) == Path("x.conf")
    assert kubeconfig.target("", {"KUBECONFIG": "/a:/b"}) == Path("/a")
    assert kubeconfig.target("", {}) == Path("/home/me/.kube/config")
