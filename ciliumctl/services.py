"""From a service to a pod that stands behind it now."""

from __future__ import annotations

from ciliumctl.clients.kube import ENDPOINT_SLICES, SERVICES, Kube, Manifest, PodPort, dig
from ciliumctl.errors import NotFound
from ciliumctl.wait import Deadline, poll

# Seconds that endpoint slices may lag behind their pods.
_LAG = 3.0


def target(kube: Kube, namespace: str, name: str, *, port: int = 0) -> PodPort:
    """A ready pod behind a service, and the pod's port for the service's `port` (its first one when 0).

    Two requests. Raises `NotFound` when the service, or a ready pod behind it, does not exist.
    """
    service = kube.find(SERVICES, name, namespace)
    if service is None:
        raise NotFound(f"service `{name}` does not exist in namespace `{namespace}`")
    wanted = _service_port(service, port)

    def ready() -> PodPort | None:
        return _ready(kube, namespace, name, dig(wanted, "name", default=""))

    found = poll(ready, lambda found: found is not None, deadline=Deadline.after(_LAG), interval=0.5)
    if found is None:
        raise NotFound(
            f"no ready pod stands behind service `{name}` in namespace `{namespace}`",
            hint=f"`kubectl get pods -n {namespace}` lists them; of Cilium's own `ciliumctl status` says more",
        )
    return found


def _ready(kube: Kube, namespace: str, service: str, port_name: str) -> PodPort | None:
    for found in kube.objects(ENDPOINT_SLICES, namespace, labels=f"kubernetes.io/service-name={service}"):
        number = _slice_port(found, port_name)
        endpoints: list[Manifest] = dig(found, "endpoints", default=[])
        for endpoint in endpoints:
            pod = dig(endpoint, "targetRef", "name", default="")
            if number and pod and dig(endpoint, "conditions", "ready", default=True):
                return PodPort(namespace=namespace, pod=pod, port=number)
    return None


def _service_port(service: Manifest, port: int) -> Manifest:
    ports: list[Manifest] = dig(service, "spec", "ports", default=[])
    for found in ports:
        if port in {0, dig(found, "port", default=0)}:
            return found
    known = ", ".join(str(dig(found, "port", default=0)) for found in ports)
    raise NotFound(
        f"service `{dig(service, 'metadata', 'name', default='')}` has no port {port}", hint=f"it has {known}"
    )


def _slice_port(found: Manifest, name: str) -> int:
    ports: list[Manifest] = dig(found, "ports", default=[])
    for port in ports:
        if dig(port, "name", default="") == name:
            return dig(port, "port", default=0)
    return 0
