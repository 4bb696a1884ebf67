"""Policies about the name that a TLS client asks for (SNI), which Cilium's proxy reads without decrypting anything.

A pod of the test bed serves TLS for any name; nobody looks at its certificate. That `*` stands for one label and `**`
for several is how the official tests use them (`client-egress-tls-sni-*.yaml` of cilium/cilium).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from shlex import quote

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import TLS
from ciliumctl.connectivity.model import ANSWER, DENIED, Bed, Expect, Need, Probe, Scenario, says
from ciliumctl.connectivity.scenarios._cilium import CLIENT, policy, ports, scenario

#: A name that nobody has: RFC 6761.
_DOMAIN = "names.example"


def _ask(bed: Bed, name: str, expect: Expect) -> Iterator[Probe]:
    for family in bed.families:
        target = bed.pod("tls").target(family)
        address = f"[{target.address}]" if family == 6 else target.address
        where = f"--resolve {quote(f'{name}:{TLS}:{address}')} {quote(f'https://{name}:{TLS}/hostname')}"
        yield Probe(
            name=f"HTTPS for `{name}`" + (" over IPv6" if family == 6 else ""),
            source="client",
            target=target,
            command=f"curl -sSk --fail --noproxy '*' --connect-timeout {ANSWER} --max-time 4 {where}",
            expect=expect,
        )


def _names(allowed: tuple[str, ...], denied: tuple[str, ...]) -> Callable[[Bed], Iterator[Probe]]:
    def probes(bed: Bed) -> Iterator[Probe]:
        for name in allowed:
            yield from _ask(bed, name, says("tls", "`tls`"))
        for name in denied:
            yield from _ask(bed, name, DENIED)

    return probes


def _scenario(
    name: str,
    about: str,
    pattern: str,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *official: str,
    more: tuple[Need, ...] = (),
) -> Scenario:
    port = {**ports((TLS, "TCP"))[0], "serverNames": [pattern]}
    rule = {"toEndpoints": [{"matchLabels": {"role": "tls"}}], "toPorts": [port]}
    made = scenario(
        name,
        about,
        _names(*names),
        policy(name, endpointSelector=CLIENT, egress=[rule]),
        *official,
        more_needs=(needs.l7, *more),
    )
    return replace(made, groups=("tls",))


SNI = _scenario(
    "tls-name",
    "a client reaches a TLS server under the one name that it may ask for, and under no other",
    f"one.{_DOMAIN}",
    ((f"one.{_DOMAIN}",), (f"two.{_DOMAIN}",)),
    "client-egress-tls-sni",
    "client-egress-tls-sni-denied",
)
SNI_WILDCARD = _scenario(
    "tls-name-wildcard",
    "a client reaches a TLS server under any name of a domain that it may ask for, and under no other",
    f"*.{_DOMAIN}",
    ((f"one.{_DOMAIN}", f"two.{_DOMAIN}"), ("one.other.example",)),
    "client-egress-tls-sni-wildcard",
    "client-egress-tls-sni-wildcard-denied",
    more=(needs.since(1, 18),),
)
SNI_DOUBLE_WILDCARD = _scenario(
    "tls-name-double-wildcard",
    "a client reaches a TLS server under any name below a domain, however deep, and under no other",
    f"**.{_DOMAIN}",
    ((f"one.{_DOMAIN}", f"a.one.{_DOMAIN}"), ("a.one.other.example",)),
    "client-egress-tls-sni-double-wildcard",
    "client-egress-tls-sni-double-wildcard-denied",
    more=(needs.since(1, 18),),
)
SNI_WILDCARD_WITHIN = _scenario(
    "tls-name-wildcard-within",
    "a client reaches a TLS server under names with any word at one place, and under no other",
    f"one.*.{_DOMAIN}",
    ((f"one.a.{_DOMAIN}", f"one.b.{_DOMAIN}"), (f"two.a.{_DOMAIN}",)),
    "client-egress-tls-sni-random-wildcard",
    "client-egress-tls-sni-random-wildcard-denied",
    more=(needs.since(1, 20),),
)
