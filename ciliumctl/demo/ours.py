"""The application's objects: those that are wanted, and those that are there, unless they are somebody else's."""

from __future__ import annotations

import copy
from typing import Any

from ciliumctl import templates
from ciliumctl.clients.kube import DEPLOYMENTS, SERVICES, Kube, Manifest, dig, labels_of
from ciliumctl.demo.model import LABEL, NAME, Wanted
from ciliumctl.errors import ForeignOwner, NotFound
from ciliumctl.parallel import together

# The port of images other than the template's, as in the exercise.
_PORT = 80


def manifests(wanted: Wanted) -> tuple[Manifest, Manifest]:
    """The Deployment and the Service."""
    known: dict[str, Any] = copy.deepcopy(templates.load("demo/nginx.yaml"))
    deployment, service = known["deployment"], known["service"]
    deployment["spec"]["replicas"] = wanted.replicas
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["image"] = image(wanted)
    container["ports"] = [{"name": "http", "containerPort": wanted.port or (_PORT if wanted.image else known["port"])}]
    if wanted.arguments:
        container["args"] = list(wanted.arguments)
    if wanted.pull_secret:
        pod["imagePullSecrets"] = [{"name": wanted.pull_secret}]
    if not wanted.image:
        container["securityContext"] = known["restricted"]
    service["spec"]["type"] = wanted.type
    return deployment, service


def image(wanted: Wanted) -> str:
    """The image's reference; a registry takes the place of the template's own."""
    if wanted.image:
        return wanted.image
    found: str = templates.load("demo/nginx.yaml")["image"]
    return f"{wanted.registry.rstrip('/')}/{found.partition('/')[2]}" if wanted.registry else found


def there(kube: Kube, namespace: str) -> tuple[Manifest | None, Manifest | None]:
    """The Deployment and the Service that are there. Two requests.

    Raises:
        ForeignOwner: one of that name is not ours.
    """
    deployment, service = together(
        lambda: kube.find(DEPLOYMENTS, NAME, namespace), lambda: kube.find(SERVICES, NAME, namespace)
    )
    for kind, found in (("Deployment", deployment), ("Service", service)):
        if found is not None and LABEL not in labels_of(found):
            raise ForeignOwner(
                f"{kind} `{NAME}` in namespace `{namespace}` was not made by `ciliumctl demo`; it is left alone",
                hint="choose another namespace with `-n`",
            )
    return deployment, service


def service(kube: Kube, namespace: str) -> Manifest:
    """The Service. Raises `NotFound` with the command that makes it, `ForeignOwner`."""
    _deployment, found = there(kube, namespace)
    if found is None:
        raise NotFound(
            f"the demo application is not in namespace `{namespace}`",
            hint=f"make it: `ciliumctl demo deploy -n {namespace}`",
        )
    return found


def node_port(found: Manifest) -> int:
    """The port of the nodes that leads to a Service; 0 for none."""
    return int(dig(found, "spec", "ports", 0, "nodePort", default=0))
