"""Cilium's bandwidth manager: a pod sends no faster than its annotation says.

`kubernetes.io/egress-bandwidth` is in Mbit/s of 1000 times 1000 bits. It is held where packets leave the node, so both
ends must be on different ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from ciliumctl.connectivity import needs
from ciliumctl.connectivity.bed import LIMIT
from ciliumctl.connectivity.commands import HTTP, url
from ciliumctl.connectivity.model import Bed, Probe, Scenario, says

#: At the limit it takes some 6 s to send them; where there is none, the answer is as long as the question.
_BYTES = 8_000_000
_SECONDS = 30


def _probes(bed: Bed) -> Iterator[Probe]:
    limit = LIMIT * 1000
    low, high = limit * 8 // 10, limit * 12 // 10
    for source, wanted, words in (
        ("limited", f"[ $k -ge {low} ] && [ $k -le {high} ]", f"{LIMIT} Mbit/s, give or take a fifth"),
        ("client", f"[ $k -gt {high} ]", f"more than {LIMIT} Mbit/s"),
    ):
        family = bed.families[0]
        target = bed.pod("far").target(family)
        ask = (
            f"curl -sS --globoff --fail --connect-timeout 2 -m {_SECONDS - 2} -H Expect: -o /dev/null"
            f" -w '%{{speed_upload}}' --data-binary @- {url(target.address, HTTP, '/echo')}"
        )
        lines = [
            f"s=$({{ printf msg=; head -c {_BYTES} /dev/zero | tr '\\0' x; }} | {ask}) || exit 1",
            # Some versions of curl say it with decimals.
            "k=$((${s%.*} * 8 / 1000))",
            f"{wanted} && echo right && exit 0",
            'echo "$k kbit/s"; exit 1',
        ]
        yield Probe(
            name=f"how fast {source} sends",
            source=source,
            target=target,
            command="\n".join(lines),
            expect=says("right", words),
            seconds=_SECONDS,
        )


LIMITED = Scenario(
    name="cilium-bandwidth-limit",
    about=f"a pod that may send {LIMIT} Mbit/s sends as much and no more; one without a limit sends more",
    category="cilium",
    probes=_probes,
    needs=(needs.switched_on("enable-bandwidth-manager", "Cilium's bandwidth manager is off"), needs.two_nodes),
    groups=("limited",),
    official=("network-bandwidth-limit",),
)
