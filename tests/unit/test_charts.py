from __future__ import annotations

import base64
import io
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl import charts, yaml_files
from ciliumctl.errors import BadFile, ChartNotFound, RepositoryUnreachable, UsageError

VERSIONS = ["1.21.0-pre.0", "1.20.0", "1.19.6", "1.19.10", "1.15.19", "1.15.6", "1.16.0-dev"]
INDEX = {
    "apiVersion": "v1",
    "entries": {
        "cilium": [
            {"version": version, "urls": [f"cilium-{version}.tgz"], "digest": "0" * 64, "kubeVersion": ">= 1.21.0-0"}
            for version in [*VERSIONS, "not-a-version"]
        ],
        "tetragon": [{"version": "1.0.0"}],
    },
}


def entries() -> list[charts.Entry]:
    return charts.parse_index(yaml_files.dump(INDEX).encode(), "https://x")


def test_the_index_is_read_newest_first_whatever_its_order() -> None:
    assert [entry.version for entry in entries()] == [
        "1.21.0-pre.0",
        "1.20.0",
        "1.19.10",
        "1.19.6",
        "1.16.0-dev",
        "1.15.19",
        "1.15.6",
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("latest", "1.20.0"),
        ("1.15", "1.15.19"),
        ("v1.15", "1.15.19"),
        ("1.19", "1.19.10"),
        ("1", "1.20.0"),
        ("1.15.6", "1.15.6"),
        ("v1.15.6", "1.15.6"),
        ("1.21.0-pre.0", "1.21.0-pre.0"),
    ],
)
def test_a_version_is_picked_as_asked(wanted: str, found: str) -> None:
    assert charts.pick(entries(), wanted, "https://x").version == found


@pytest.mark.parametrize("wanted", ["1.21", "1.16", "9.9.9", "1.15.7"])
def test_a_version_that_is_not_there_is_named_with_near_ones(wanted: str) -> None:
    with pytest.raises(ChartNotFound) as caught:
        charts.pick(entries(), wanted, "https://x")
    assert f"has no Cilium {wanted}" in caught.value.message
    assert "it has 1." in caught.value.hint


@pytest.mark.parametrize("wanted", ["newest", "1.x", ">=1.15", "1.15.6.7", ""])
def test_what_is_no_version_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="is not a version"):
        charts.pick(entries(), wanted, "https://x")


@given(st.permutations(VERSIONS))
def test_the_order_of_the_index_never_matters(order: list[str]) -> None:
    body = {"entries": {"cilium": [{"version": version} for version in order]}}
    found = charts.parse_index(yaml_files.dump(body).encode(), "https://x")
    assert found[1].version == "1.20.0"


@pytest.mark.parametrize("body", [b"", b"<html>", b"entries: {}", b"entries: [", b"- 1"])
def test_what_is_no_index_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(RepositoryUnreachable, match="not a repository"):
        charts.parse_index(body, "https://x")


def archive(path: Path, files: dict[str, str], *, folder: str = "cilium") -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: cilium\nversion: 1.15.6\nkubeVersion: '>= 1.16.0-0'\n",
    "values.yaml": "debug: {enabled: false}\n",
    "templates/a.yaml": "a: 1\n",
}


def test_an_archive_and_a_folder_are_read_alike(tmp_path: Path) -> None:
    packed = charts.read(archive(tmp_path / "c.tgz", CHART))
    for name, text in CHART.items():
        path = tmp_path / "cilium" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = charts.read(tmp_path / "cilium")
    for chart in (packed, folder):
        assert (chart.name, chart.version, chart.kube_version) == ("cilium", "1.15.6", ">= 1.16.0-0")
        assert chart.values == {"debug": {"enabled": False}}
        assert chart.path.is_absolute()


def test_the_same_version_with_other_templates_is_another_chart(tmp_path: Path) -> None:
    chart = charts.read(archive(tmp_path / "c.tgz", CHART))

    def stored(text: str, version: str = "1.15.6") -> dict[str, Any]:
        data = base64.b64encode(text.encode()).decode()
        return {"metadata": {"version": version}, "templates": [{"name": "templates/a.yaml", "data": data}]}

    assert chart.same_as(stored("a: 1\n"))
    assert not chart.same_as(stored("a: 2\n"))
    assert not chart.same_as(stored("a: 1\n", "1.15.7"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"README.md": "x"}, "has no Chart.yaml"),
        ({"Chart.yaml": "name: nginx\n"}, "is the chart `nginx`"),
        ({"Chart.yaml": "name: [\n"}, "is no YAML"),
    ],
)
def test_what_is_not_cilium_s_chart_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(BadFile, match=words):
        charts.read(archive(tmp_path / "c.tgz", files))


def test_any_damaged_byte_of_an_archive_is_one_of_our_errors_or_harmless(tmp_path: Path) -> None:
    path = archive(tmp_path / "c.tgz", CHART)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with suppress(BadFile):
            charts.read(path)


def test_a_damaged_or_missing_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.tgz"
    with pytest.raises(BadFile, match="does not exist"):
        charts.read(path)
    path.write_bytes(b"not gzip")
    with pytest.raises(BadFile, match="is not a chart"):
        charts.read(path)
    archive(path, CHART)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(BadFile, match="is not a chart"):
        charts.read(path)


def packed(path: Path, metadata: str) -> None:
    with tarfile.open(path, "w:gz") as out:
        for name, text in (("cilium/values.yaml", "{}"), ("cilium/Chart.yaml", metadata)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_folder_of_archives_is_a_repository_without_any_network(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "my charts"
    folder.mkdir()
    for version in ("1.15.6", "v1.15.19", "1.16.0-rc.1"):
        packed(folder / f"{version}.tgz", f"{{name: cilium, version: {version}, kubeVersion: '>= 1.21.0-0'}}")
    packed(folder / "other.tgz", "{name: tetragon, version: 1.0.0}")
    packed(folder / "strange.tgz", "{name: cilium, version: newest}")
    (folder / "broken.tgz").write_bytes(b"no archive")
    (folder / "index.yaml").write_text("entries: {cilium: [{version: 9.9.9, urls: [gone.tgz]}]}")
    # Nothing is asked: neither the web nor a cache is there.
    nobody: Any = None
    found = charts.index(form.format(folder), web=nobody, cache=nobody, report=nobody)
    assert [(entry.version, entry.kube_version) for entry in found] == [
        ("1.16.0-rc.1", ">= 1.21.0-0"),
        ("1.15.19", ">= 1.21.0-0"),
        ("1.15.6", ">= 1.21.0-0"),
    ]


def test_a_folder_without_charts_and_one_that_is_not_there_are_told_apart(tmp_path: Path) -> None:
    nobody: Any = None
    with pytest.raises(ChartNotFound, match="no archive of Cilium's chart"):
        charts.index(str(tmp_path), web=nobody, cache=nobody, report=nobody)
    with pytest.raises(BadFile, match="cannot be read"):
        charts.index(str(tmp_path / "none"), web=nobody, cache=nobody, report=nobody)
