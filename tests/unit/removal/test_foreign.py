from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ciliumctl.clients.kube import ConnectOptions, connect
from ciliumctl.removal import foreign
from tests.world.cluster import FakeCluster

PLACE = "cilium"


def made(kind: str, name: str, by: tuple[str, str] | None = None) -> dict[str, Any]:
    references = [{"kind": by[0], "name": by[1]}] if by else []
    return {
        "apiVersion": "batch/v1" if kind.endswith("Job") else "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": PLACE, "ownerReferences": references},
    }


def test_what_a_job_of_the_release_made_is_the_release_s(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.kinds += [("batch", "v1", "cronjobs", "CronJob", True), ("batch", "v1", "jobs", "Job", True)]
    cluster.add(
        made("CronJob", "hubble-generate-certs"),
        made("Job", "hubble-generate-certs-1", ("CronJob", "hubble-generate-certs")),
        made("Pod", "hubble-generate-certs-1-x", ("Job", "hubble-generate-certs-1")),
        made("Job", "report"),
        made("Pod", "report-x", ("Job", "report")),
    )
    kube = connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), os.environ)
    owned = [{"kind": "CronJob", "metadata": {"name": "hubble-generate-certs"}}]
    found = foreign.held(kube, PLACE, "cilium", owned)
    assert found == foreign.Holding(foreign=("Job/report", "Pod/report-x"))
