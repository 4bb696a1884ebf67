"""`values lint` and `values explain` with Cilium's own charts and the real helm; no cluster."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import chart
from tests.integration.test_values_rules import helm
from tests.world.run import Ran, quiet_environ, run


@pytest.fixture
def call(tmp_path: Path) -> Any:
    helm()
    cache = os.environ.get("CILIUMCTL_CACHE")
    env = quiet_environ(tmp_path)
    # Where the programs are: helm is found as a user's would be.
    env["CILIUMCTL_CACHE"] = cache or str(Path.home() / ".cache" / "ciliumctl")

    def on(version: str | Path, *arguments: str, stdin: str = "") -> Ran:
        path = version if isinstance(version, Path) else chart(version)
        return run("values", *arguments, "--chart", str(path), "-q", env=env, stdin=stdin)

    return on


def test_a_file_of_many_ages_reads_like_a_compiler_s_output(call: Any) -> None:
    text = "global:\n  hubble:\n    enabled: true\ntunnel: disabled\nhuble: {}\noperator: {replicas: two}\n"
    ran = call("1.20.0", "lint", "-", stdin=text)
    assert ran.code == 1
    heads = [line.split("`")[0] for line in ran.out.splitlines() if line.startswith("<stdin>")]
    assert heads == [f"<stdin>:{line}: error: " for line in (3, 4, 5, 6)]
    assert ran.out.splitlines()[-2] == "4 errors for chart 1.20.0"


def test_what_only_the_chart_refuses_is_told_one_by_one_at_the_values(call: Any) -> None:
    text = "hubble: {ui: {enabled: true}}\nipam: {mode: eni}\ncluster: {name: My_Cluster}\n"
    ran = call("1.20.0", "lint", "-", "-o", "json", stdin=text)
    found = {finding["key"]: (finding["code"], finding["line"]) for finding in ran.json["data"]["findings"]}
    assert found == {"hubble.ui.enabled": ("CV103", 1), "ipam.mode": ("CV103", 2), "cluster.name": ("CV103", 3)}
    assert ran.json["data"]["rendered"] is True


def test_flags_are_checked_with_the_files(call: Any) -> None:
    ran = call(
        "1.20.0", "lint", "-", "--set", "tunnel=vxlan", "--set-string", "operator.replicas=2", stdin="debug: {}\n"
    )
    assert "--set tunnel=vxlan: error: `tunnel`" in ran.out
    assert "--set-string operator.replicas=2: error: `operator.replicas`" in ran.out


def test_a_fixed_file_is_taken_by_the_chart(call: Any, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("global:\n  hubble:\n    ui: {enabled: true}\nkubeProxyReplacement: partial # all of it\n")
    assert call("1.19.6", "lint", str(file), "--fix", "-w").code == 0
    assert call("1.19.6", "lint", str(file)).out == "nothing wrong for chart 1.19.6\n"
    assert "kubeProxyReplacement: true # all of it\n" in file.read_text()


@pytest.fixture
def next_minor(tmp_path: Path) -> Path:
    """The newest chart as another minor: with a value more, one less, and one more thing that it refuses."""
    path = tmp_path / "cilium-1.99.0.tgz"
    with tarfile.open(chart("1.20.0")) as old, tarfile.open(path, "w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            data = content.read() if content is not None else b""
            if member.name == "cilium/Chart.yaml":
                data = data.replace(b"version: 1.20.0", b"version: 1.99.0")
            if member.name == "cilium/values.yaml":
                data = data.replace(b"\nlocalRedirectPolicy: ", b"\nnovelty: {enabled: false}\nlocalRedirectPolitics: ")
            if member.name == "cilium/templates/validate.yaml":
                data += (
                    b'\n{{ with .Values.novelty }}{{ if .enabled }}{{ fail "not on a Thursday" }}{{ end }}{{ end }}\n'
                )
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return path


def test_a_chart_that_nobody_has_seen_yet_is_checked_by_what_it_says_itself(call: Any, next_minor: Path) -> None:
    text = "novelty: {enabled: true}\nnovelti: {}\nhubble: {relay: {enabled: true}}\ntunnel: vxlan\n"
    ran = call(next_minor, "lint", "-", "-o", "json", stdin=text)
    found = {finding["key"]: finding for finding in ran.json["data"]["findings"]}
    assert {key: finding["code"] for key, finding in found.items()} == {
        "novelty.enabled": "CV103",
        "novelti": "CV101",
        "tunnel": "CV203",
    }
    assert "not on a Thursday" in found["novelty.enabled"]["message"]
    assert "`novelty`" in found["novelti"]["message"]


def test_what_changes_with_a_value_is_rendered(call: Any) -> None:
    ran = call("1.20.0", "explain", "hubble.relay.replicas", "-o", "json")
    effect = ran.json["data"]["effect"]
    assert effect["besides"] == ["hubble.relay.enabled"]
    assert [(change["kind"], change["name"], change["fields"]) for change in effect["objects"]] == [
        ("Deployment", "hubble-relay", ["spec.replicas"])
    ]


def test_a_value_to_try_may_be_given_and_a_refusal_is_told(call: Any) -> None:
    ran = call("1.20.0", "explain", "routingMode", "--value", "native", "-o", "json")
    assert ran.json["data"]["effect"]["objects"][0]["fields"] == ["data.routing-mode"]
    ran = call("1.20.0", "explain", "cluster.name", "--value", "Big_One")
    assert "the chart refuses these values: The cluster name is invalid" in ran.out
