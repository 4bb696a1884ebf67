"""Who is behind services, in words: those of the test, and the cluster's name server."""

from __future__ import annotations

import re

from ciliumctl.clients.kube import ENDPOINT_SLICES, SERVICES, Kube, Manifest, dig, labels_of, name_of

_PLACE = "kube-system"
#: What the name server's service is found by, whatever it is called: CoreDNS kept the label of kube-dns.
_LABEL = "k8s-app=kube-dns"
# curl's words for a name that it could not look up, and dig's for a name server that does not answer.
_NAMES = re.compile(r"Resolving|Could not resolve|no servers could be reached|^(?:exit code \d+: )?;; ")


def by_service(kube: Kube, namespace: str) -> dict[str, list[str]]:
    """Every service's endpoints: address, node, and whether it is not ready."""
    found: dict[str, list[str]] = {}
    for one in kube.objects(ENDPOINT_SLICES, namespace):
        name = labels_of(one).get("kubernetes.io/service-name", "")
        listed: list[Manifest] = dig(one, "endpoints", default=[])
        for endpoint in listed:
            # No word about it counts as ready (discovery.k8s.io/v1).
            ready = "" if dig(endpoint, "conditions", "ready", default=True) else " (not ready)"
            node = dig(endpoint, "nodeName", default="")
            where = f" on {node}" if node else ""
            addresses: list[str] = dig(endpoint, "addresses", default=[])
            found.setdefault(name, []).extend(f"{address}{where}{ready}" for address in addresses)
    return {name: sorted(said) for name, said in found.items()}


def about_names(seen: str) -> bool:
    """Whether what a probe said is that a name could not be looked up."""
    return _NAMES.search(seen) is not None


def name_server(kube: Kube) -> list[str]:
    """A line for each service of the cluster's name server, with its addresses and its endpoints."""
    services = list(kube.objects(SERVICES, _PLACE, labels=_LABEL))
    if not services:
        return [f"name server: no service in {_PLACE} has the label `{_LABEL}`"]
    found = by_service(kube, _PLACE)
    return [_told(one, found.get(name_of(one), [])) for one in services]


def _told(service: Manifest, listed: list[str]) -> str:
    single = dig(service, "spec", "clusterIP", default="")
    addresses: list[str] = dig(service, "spec", "clusterIPs", default=[single])
    at = ", ".join(filter(None, addresses)) or "no address"
    return f"name server: service {_PLACE}/{name_of(service)} at {at}: endpoints {', '.join(listed) or 'none'}"
