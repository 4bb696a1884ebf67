"""`ciliumctl monitoring deploy`, `delete` and `open`: a small stack that comes, is brought up to date and goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Command
from tests.world import objects
from tests.world.cluster import FakeCluster, Fault, Object
from tests.world.monitored import STACK_KINDS

PLACE = "ciliumctl-monitoring"


@pytest.fixture
def stackable(cluster: FakeCluster) -> FakeCluster:
    """A cluster with a dashboard of Cilium's chart, whose Jobs have a ready pod at once."""
    cluster.kinds += [kind for kind in STACK_KINDS if kind not in cluster.kinds]
    dashboard = objects.config_map("cilium-dashboard", {"cilium-dashboard.json": "{}"})
    dashboard["metadata"]["labels"] = {"grafana_dashboard": "1", "app.kubernetes.io/part-of": "cilium"}
    cluster.add(objects.namespace("kube-system"), dashboard)

    def run(item: Object) -> None:
        if item["kind"] == "Job":
            cluster.add(_pod(item, ready=True))

    def end(item: Object) -> None:
        if item["kind"] == "Namespace":
            for plural in ("pods", "jobs", "configmaps", "secrets"):
                for one in [one for one in cluster.all(plural) if one["metadata"]["namespace"] == PLACE]:
                    group = next(kind[0] for kind in cluster.kinds if kind[2] == plural)
                    cluster._of(group, plural).pop((PLACE, one["metadata"]["name"]))  # noqa: SLF001

    cluster.on_create, cluster.on_delete = run, end
    return cluster


def _pod(job: Object, *, ready: bool) -> Object:
    template = job["spec"]["template"]
    state: dict[str, Any] = {"running": {}} if ready else {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": job["metadata"]["name"], "namespace": PLACE, "labels": template["metadata"]["labels"]},
        "spec": {**template["spec"], "nodeName": "one"},
        "status": {
            "phase": "Running" if ready else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "x", "ready": ready, "restartCount": 0, "state": state}],
        },
    }


def test_it_runs_marked_restricted_with_an_end_and_the_charts_dashboards(
    stackable: FakeCluster, command: Command
) -> None:
    ran = command("monitoring", "deploy", "--ttl", "2h")
    assert ran.code == 0, ran.err
    assert "runs: prometheus and grafana in namespace ciliumctl-monitoring" in ran.out
    assert "dashboards: cilium-dashboard" in ran.out
    namespace = stackable.get("namespaces", PLACE)
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ciliumctl"
    assert namespace["metadata"]["annotations"]["ciliumctl.io/expires"]
    for job in stackable.all("jobs"):
        pod = job["spec"]["template"]["spec"]
        assert job["spec"]["activeDeadlineSeconds"] == 7200
        assert pod["securityContext"]["runAsNonRoot"]
        assert "@sha256:" in pod["containers"][0]["image"]
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert stackable.get("configmaps", "dashboard-cilium-dashboard", PLACE)
    config = stackable.get("configmaps", "prometheus", PLACE)
    assert config is not None
    assert 'names: ["kube-system"]' in config["data"]["prometheus.yaml"]


def test_the_password_is_never_shown_and_stays_with_a_second_run(stackable: FakeCluster, command: Command) -> None:
    first = command("monitoring", "deploy", "-o", "json")
    secret = stackable.get("secrets", "grafana", PLACE)
    assert secret is not None
    password = secret["stringData"]["admin-password"]
    second = command("monitoring", "deploy", "-o", "json")
    assert (first.code, second.code) == (0, 0)
    again = stackable.get("secrets", "grafana", PLACE)
    assert again is not None
    assert again["stringData"]["admin-password"] == password
    assert password not in first.out + first.err + second.out + second.err
    assert len(stackable.all("jobs")) == 2


def test_images_come_from_where_one_says(stackable: FakeCluster, command: Command) -> None:
    images = ("--registry", "registry.example.org/mirror", "--image", "grafana=example.org/grafana:1")
    ran = command("monitoring", "deploy", *images, "--no-wait", "-o", "json")
    assert ran.json["data"]["images"]["grafana"] == "example.org/grafana:1"
    assert ran.json["data"]["images"]["prometheus"].startswith("registry.example.org/mirror/prom/prometheus:v3")
    assert (ran.code, ran.json["data"]["ready"], ran.json["ok"]) == (0, False, True)
    assert len(stackable.all("jobs")) == 2


def test_a_job_that_cannot_be_changed_is_replaced(stackable: FakeCluster, command: Command) -> None:
    assert command("monitoring", "deploy").code == 0
    stackable.faults.append(Fault(pattern="PATCH .*/jobs/grafana", status=422, message="field is immutable", times=1))
    assert command("monitoring", "deploy").code == 0
    assert [seen.path.rsplit("/", 1)[1] for seen in stackable.seen if seen.method == "DELETE"] == ["grafana"]


def test_everything_goes_and_a_second_time_there_is_nothing(stackable: FakeCluster, command: Command) -> None:
    assert command("monitoring", "deploy").code == 0
    ran = command("monitoring", "delete")
    assert ran.code == 0, ran.err
    assert "removed: namespace ciliumctl-monitoring" in ran.out.replace("/", " ")
    assert stackable.get("namespaces", PLACE) is None
    assert not stackable.all("roles")
    assert not stackable.all("rolebindings")
    ran = command("monitoring", "delete")
    assert (ran.code, ran.out) == (0, "there was no such stack of `monitoring deploy`\n")


def test_the_stacks_of_others_stay_unless_a_yes_is_given(stackable: FakeCluster, command: Command) -> None:
    for arguments in ((), ("--target-namespace", "theirs"), ("--target-namespace", "lost")):
        assert command("monitoring", "deploy", "--no-wait", *arguments).code == 0
    for name, place in (("ciliumctl-monitoring", PLACE), ("ciliumctl-monitoring-theirs", "theirs")):
        binding = stackable.get("rolebindings", name, "kube-system")
        assert binding
        assert binding["subjects"][0]["namespace"] == place, "one stack does not take the rights of another"
    theirs = stackable.get("namespaces", "theirs")
    assert theirs
    # As of another machine with the same kubeconfig.
    theirs["metadata"]["annotations"]["ciliumctl.io/owner"] = "eve@desk"
    assert command("monitoring", "deploy", "--no-wait", "--target-namespace", "theirs").code == 0
    # Taken away by somebody with kubectl: its role is left.
    stackable._of("", "namespaces").pop(("", "lost"))  # noqa: SLF001

    ran = command("monitoring", "delete", "-o", "json")
    assert ran.code == 0, ran.err
    assert [one for one in ran.json["data"]["removed"] if "theirs" in one] == []
    assert "role/kube-system/ciliumctl-monitoring-lost" in ran.json["data"]["removed"]
    assert "the stack in namespace `theirs` is of eve@desk and stays" in ran.err
    for named in (["--target-namespace", "theirs"], ["--all-users"]):
        ran = command("monitoring", "delete", *named)
        assert (ran.code, "--yes" in ran.err) == (3, True)
    assert stackable.get("rolebindings", "ciliumctl-monitoring-theirs", "kube-system")
    ran = command("monitoring", "delete", "--target-namespace", "theirs", "--yes")
    assert ran.out.splitlines()[-1] == "removed: namespace/theirs"
    assert not stackable.all("roles")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("deploy", "--image", "loki=x"), "`loki=x` names no image"),
        (("deploy", "-o", "name"), "-o name"),
        (("delete", "--all-users", "--target-namespace", "x"), "use one of the two"),
        (("open", "many"), "`many` is not a port"),
    ],
)
def test_what_makes_no_sense_is_refused(
    stackable: FakeCluster, command: Command, arguments: tuple[str, ...], says: str
) -> None:
    ran = command("monitoring", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert not stackable.all("jobs")


def test_a_namespace_of_somebody_else_is_left_alone(stackable: FakeCluster, command: Command) -> None:
    stackable.add(objects.namespace(PLACE))
    ran = command("monitoring", "deploy")
    assert (ran.code, "--target-namespace" in ran.err) == (3, True)


def test_who_lacks_rights_is_told_before_anything_is_made(stackable: FakeCluster, command: Command) -> None:
    stackable.denied.add(("create", "jobs"))
    ran = command("monitoring", "deploy")
    assert (ran.code, "create `jobs.batch` in namespace `ciliumctl-monitoring`" in ran.err) == (5, True)
    assert stackable.get("namespaces", PLACE) is None


def test_open_without_a_stack_names_the_command_that_starts_one(stackable: FakeCluster, command: Command) -> None:
    assert stackable.get("namespaces", PLACE) is None
    ran = command("monitoring", "open", ":0", "--no-open-browser")
    assert (ran.code, "`ciliumctl monitoring deploy`" in ran.err) == (5, True)
