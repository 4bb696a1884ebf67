from __future__ import annotations

import pytest

from ciliumctl.values import lint
from ciliumctl.values.lint import scanning
from ciliumctl.values.paths import join, split
from tests.unit.values.lint.charts import chart


def scanned(text: str) -> scanning.Reads:
    return scanning.scan({"templates/x.yaml": text.encode()})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("{{ .Values.a.b }}", "a.b"),
        ("{{- $.Values.a.b | quote -}}", "a.b"),
        ("{{ with .Values.a }}{{ .b }}{{ end }}", "a.b"),
        ("{{ with .Values.a }}{{ $.Values.c }}{{ end }}", "c"),
        ("{{ if .Values.a }}x{{ else if .Values.b.c }}y{{ end }}", "b.c"),
        ("{{ with .Values.a }}x{{ else with .Values.b }}y{{ end }}", "b"),
        ("{{ $x := .Values.a }}{{ $x.b }}", "a.b"),
        ("{{ $x := .Values.a | default .Values.c }}{{ with $x }}{{ .b }}{{ end }}", "c.b"),
        ("{{ (coalesce .Values.a .Values.b).c }}", "b.c"),
        ('{{ index .Values "a" "b-c" }}', "a.b-c"),
        ('{{ get .Values.a "b" }}', "a.b"),
        ('{{ hasKey .Values "a" }}', "a"),
        ('{{ dig "a" "b" "none" .Values.AsMap }}', "a.b"),
        ('{{ define "h" }}{{ .repository }}{{ end }}{{ include "h" .Values.image }}', "image.repository"),
        ('{{ define "h" }}{{ $.Values.a }}{{ end }}{{ template "h" . }}', "a"),
        ('{{ define "h" }}{{ (index . 1).b }}{{ end }}{{ include "h" (list . .Values.a) }}', "a.b"),
        ('{{ define "h" }}{{ .x.b }}{{ end }}{{ include "h" (dict "x" .Values.a "y" 1) }}', "a.b"),
        ("{{ range tuple .Values.a .Values.b }}{{ .enabled }}{{ end }}", "b.enabled"),
        ("{{ range $k, $v := .Values.a }}{{ $.Values.c.d }}{{ end }}", "c.d"),
        ("{{/* .Values.no */}}{{ eq .Values.a.b `x` }}", "a.b"),
        ('{{ if and (not .Values.a) (eq "}" "x") .Values.c }}{{ end }}', "c"),
    ],
)
def test_a_value_that_a_template_reads_is_found(text: str, read: str) -> None:
    assert read in {join(path) for path in scanned(text).paths}


def test_a_comment_reads_nothing() -> None:
    assert scanned("{{/* .Values.no */}}{{ .Values.a }}").paths == {("a",)}


@pytest.mark.parametrize(
    "text",
    [
        "{{ toYaml .Values.a.b }}",
        "{{ with .Values.a.b }}{{ toYaml . | nindent 2 }}{{ end }}",
        "{{ range .Values.a.b }}{{ . }}{{ end }}",
        "{{ tpl .Values.a.b $ }}",
        '{{ define "h" }}{{ toYaml . }}{{ end }}{{ include "h" .Values.a.b }}',
        '{{ include "elsewhere" .Values.a.b }}',
    ],
)
def test_what_is_taken_whole_takes_anything_below(text: str) -> None:
    assert ("a", "b") in scanned(text).whole


def test_helpers_that_call_each_other_come_to_an_end() -> None:
    text = '{{ define "a" }}{{ include "b" .x }}{{ end }}{{ define "b" }}{{ include "a" .y }}{{ end }}{{ include "a" .Values }}'
    assert ("x",) in scanned(text).paths


@pytest.mark.parametrize(
    "text", ["{{", "{{ }}", "{{ end }}", "{{ if }}{{ else }}", "{{ $ }}", "{{ (( .Values.a }}", "{{ | | }}"]
)
def test_a_broken_template_is_no_reason_to_stop(text: str) -> None:
    scanned(text + "Values{{ .Values.z }}")


def test_a_refusal_names_the_values_that_lead_to_it() -> None:
    text = '{{ if .Values.a.b }}{{ if not .Values.c }}{{ fail "a needs c" }}{{ end }}{{ end }}'
    assert scanned(text).refusals == [scanning.Refusal(message="a needs c", keys=(("a", "b"), ("c",)))]


FACTS = lint.Facts(chart())


@pytest.mark.parametrize(
    ("key", "state"),
    [
        ("operator.replicas", "own"),
        ("podAnnotations.anything.at-all", "free"),
        ("debug.verbose.x", "free"),
        ("iptablesLockTimeout", "read"),
        ("hubble.relay.affinity.nodeAffinity.x", "free"),
        ("hubble.relai", "unknown"),
        ("operator.replica", "unknown"),
    ],
)
def test_a_chart_says_what_it_knows(key: str, state: str) -> None:
    assert FACTS.state(split(key)) == state


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("huble", "hubble"),
        ("hubble.relai.enabled", "hubble.relay.enabled"),
        ("operator.replica", "operator.replicas"),
        ("relay.enabled", "hubble.relay.enabled"),
        ("podannotations", "podAnnotations"),
        ("somethingElseEntirely", ""),
    ],
)
def test_the_nearest_name_is_suggested(key: str, near: str) -> None:
    assert FACTS.nearest(split(key)) == near
