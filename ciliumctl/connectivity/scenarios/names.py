"""Names: services, headless ones, aliases, the search path, TCP, and names that do not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import http, look_up, outside
from ciliumctl.connectivity.model import Bed, Probe, Scenario, Target, says

_KINDS = {4: "A", 6: "AAAA"}


def _full(bed: Bed, service: str) -> str:
    return f"{bed.services[service].full_name}.{bed.world.domain}."


def _lines(addresses: list[str]) -> str:
    """A pattern of addresses in the order of `sort`, each on a line."""
    return "\n".join(re.escape(address) for address in sorted(addresses))


def _service(bed: Bed) -> Iterator[Probe]:
    of = bed.services["near"]
    for client in bed.clients():
        for family, address in of.addresses.items():
            wanted = says(re.escape(address), address)
            name = _full(bed, "near")
            yield look_up(client.role, name, _KINDS[family], wanted, about=f"the {_KINDS[family]} of a service")
            yield look_up(
                client.role, name, _KINDS[family], wanted, about=f"the {_KINDS[family]} over TCP", more="+tcp"
            )


def _headless(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for family in bed.families:
            addresses = [pod.addresses[family] for pod in bed.servers()]
            wanted = says(_lines(addresses), " and ".join(sorted(addresses)))
            about = f"every {_KINDS[family]} of a headless service"
            yield look_up(client.role, _full(bed, "headless"), _KINDS[family], wanted, about=about)


def _alias(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        name = _full(bed, "near")
        wanted = says(re.escape(name), name)
        yield look_up(client.role, _full(bed, "alias"), "CNAME", wanted, about="where an external name points")


def _search(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        for name in ("near", f"near.{bed.namespace}", bed.services["near"].full_name):
            yield http(
                client.role,
                Target(name=f"the name `{name}`"),
                host=name,
                expect=says("near", "`near`"),
                name=f"HTTP to the name `{name}`",
            )


def _missing(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        name = f"there-is-no-such-name.{bed.namespace}.svc.{bed.world.domain}."
        yield Probe(
            name="the answer for a name that does not exist",
            source=client.role,
            target=Target(name=f"the name `{name}`"),
            command=f"dig +time=2 +tries=1 {name} A | grep -o 'status: [A-Z]*'",
            expect=says("status: NXDOMAIN", "NXDOMAIN"),
        )


def _outside(bed: Bed) -> Iterator[Probe]:
    for client in bed.clients():
        yield outside(client.role, bed.world.external, name=f"HTTP to `{bed.world.external}`")


DNS_SERVICE = Scenario(
    name="dns-service",
    about="the name of a service gives its cluster addresses, over UDP and TCP",
    category="dns",
    probes=_service,
    smoke=True,
    official=("no-policies",),
)
DNS_HEADLESS = Scenario(
    name="dns-headless",
    about="the name of a headless service gives the addresses of all its pods",
    category="dns",
    probes=_headless,
)
DNS_ALIAS = Scenario(
    name="dns-external-name",
    about="a service of type ExternalName is an alias",
    category="dns",
    probes=_alias,
)
DNS_SEARCH = Scenario(
    name="dns-search-path",
    about="short names are found along the search path",
    category="dns",
    probes=_search,
    smoke=True,
)
DNS_MISSING = Scenario(
    name="dns-no-such-name",
    about="a name that does not exist is answered as such",
    category="dns",
    probes=_missing,
    smoke=True,
)
OUTSIDE = Scenario(
    name="pod-to-outside",
    about="a pod reaches the host outside that was named",
    category="outside",
    probes=_outside,
    needs=(needs.external,),
    official=("no-policies",),
)
