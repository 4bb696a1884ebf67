"""Remove the application, and nothing that is not ours."""

from __future__ import annotations

from ciliumctl.clients.kube import DEPLOYMENTS, PODS, SERVICES, Kube, dig
from ciliumctl.demo import ours
from ciliumctl.demo.model import NAME, SELECTOR, DemoDeleted
from ciliumctl.errors import TimedOut
from ciliumctl.report import Reporter
from ciliumctl.wait import poll


def delete(kube: Kube, namespace: str, report: Reporter) -> DemoDeleted:
    """Remove the Service and the Deployment, and wait until the pods are gone.

    Raises:
        ForeignOwner: there is an nginx that is not ours. TimedOut: pods are still there.
    """
    deployment, service = ours.there(kube, namespace)
    removed = []
    # What others depend on goes last.
    for kind, resource, found in (("Service", SERVICES, service), ("Deployment", DEPLOYMENTS, deployment)):
        if found is not None:
            uid = dig(found, "metadata", "uid", default="")
            if kube.delete(resource, NAME, namespace, uid=uid):
                removed.append(f"{kind}/{NAME}")
    if removed:
        with report.step("Waiting until the pods are gone"):
            left = poll(
                lambda: len(kube.table(PODS, namespace, labels=SELECTOR, cached=False).rows),
                lambda count: not count,
                deadline=kube.deadline,
                interval=0.5,
            )
        if left:
            raise TimedOut(
                f"{left} pods of the demo application are still there",
                hint=f"`kubectl get pods -n {namespace} -l {SELECTOR}` shows them; a node that is gone keeps its pods",
            )
    return DemoDeleted(namespace=namespace, removed=tuple(removed))
