from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ciliumctl.nodework import bed
from ciliumctl.nodework.leaving import expired
from ciliumctl.nodework.model import Work, answer_in

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def work(**more: object) -> Work:
    return Work(task="collect", title="Looking", image="example.org/cilium:v1", **more)  # type: ignore[arg-type]


def pod(of: Work) -> dict[str, Any]:
    manifest = bed.daemon_set(bed.new("collect", "somebody"), of, {}, 1000.0)
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def test_the_namespace_is_open_for_privileged_pods_and_is_found_again() -> None:
    session = bed.new("collect", "me@here", NOW)
    made = bed.namespace(session)
    labels = made["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert labels["app.kubernetes.io/managed-by"] == "ciliumctl"
    assert labels[bed.LABEL] == session.name
    assert bed.of(made) == session


def test_it_is_left_behind_once_nobody_renews_it() -> None:
    made = bed.namespace(bed.new("collect", "me", NOW))
    assert not expired(made, NOW + timedelta(seconds=30))
    # The clock of who looks is ahead.
    assert not expired(made, NOW + timedelta(minutes=5))
    assert expired(made, NOW + timedelta(minutes=7))


def test_pods_need_no_cni_and_take_every_node() -> None:
    spec = pod(work())
    assert spec["hostNetwork"] is True
    assert spec["hostPID"] is True
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["automountServiceAccountToken"] is False


def test_only_work_that_writes_may_write() -> None:
    def read_only(of: Work) -> object:
        (container,) = pod(of)["initContainers"]
        return next(mount["readOnly"] for mount in container["volumeMounts"] if mount["name"] == "host")

    assert read_only(work()) is True
    assert read_only(work(writes=True)) is False


def test_a_pod_that_is_forgotten_knows_when_its_time_is_over() -> None:
    (container,) = pod(work(seconds=100.0))["initContainers"]
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert told["EXPIRES"] == "1700"


def test_pull_secrets_are_named() -> None:
    assert pod(work(pull_secrets=("regcred",)))["imagePullSecrets"] == [{"name": "regcred"}]
    assert "imagePullSecrets" not in pod(work())


def test_the_report_is_the_last_document_of_its_task() -> None:
    log = 'noise\n{"ciliumctl":"clean","left":""}\n{"ciliumctl":"collect","a":1}\n{"ciliumctl":"collect","a"'
    assert answer_in(log, "collect") == '{"ciliumctl":"collect","a":1}'
    assert answer_in("sh: not found\n", "collect") == ""
