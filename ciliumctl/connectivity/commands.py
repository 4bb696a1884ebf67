"""The commands that probes run, for the programs of the test image: curl, ping, dig, nc, sh.

Addresses and names come from the API server or from `--external`, which is checked; they are quoted all the same.
"""

from __future__ import annotations

from shlex import quote

from ciliumctl.connectivity.model import ANSWER, REFUSED, Bed, Expect, Pod, Probe, Service, Target, says
from ciliumctl.connectivity.model import ANSWERED as _ANSWERED

HTTP, UDP, OTHER = 8080, 8081, 8090
_CURL = f"curl -sS --globoff --connect-timeout {ANSWER}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def url(address: str, port: int = HTTP, path: str = "/hostname") -> str:
    """An address as curl takes it."""
    return quote(f"http://{_host(address)}:{port}{path}")


def http(
    source: str,
    target: Target,
    *,
    port: int = HTTP,
    path: str = "/hostname",
    expect: Expect = _ANSWERED,
    name: str = "",
    host: str = "",
) -> Probe:
    """Ask over HTTP; `host` is a name to ask instead of the target's address."""
    return Probe(
        name=name or f"HTTP to {target.name}{_family(target.address)}, port {port}",
        source=source,
        target=target,
        command=f"{_CURL} --fail --max-time 4 {url(host or target.address, port, path)}",
        expect=expect,
    )


def refused(source: str, target: Target, *, port: int = HTTP) -> Probe:
    """Ask over HTTP where nobody listens, and want a refusal; only `-v` tells it from a path that is not there."""
    return Probe(
        name=f"a refusal of {target.name}{_family(target.address)}, port {port}",
        source=source,
        target=target,
        command=f"{_CURL} -v --max-time 4 {url(target.address, port)}",
        expect=REFUSED,
    )


def outside(source: str, host: str, *, address: str = "", name: str = "", expect: Expect = _ANSWERED) -> Probe:
    """Ask the host of `--external`; whatever its server says is an answer, also that there is no such page.

    `address` is given where it is one, and not a name.
    """
    target = Target(name=f"`{host}` outside", address=address)
    return Probe(
        name=name or f"HTTP to {target.name}{_family(address)}, port 80",
        source=source,
        target=target,
        command=f"{_CURL} -o /dev/null -w '%{{http_code}}' --max-time 4 {url(host, 80, '/')}",
        expect=expect,
    )


def _family(address: str) -> str:
    return " over IPv6" if ":" in address else ""


def status(source: str, target: Target, *, host: str, port: int, path: str, code: int) -> Probe:
    """Ask over HTTP and want this code, whatever is said with it."""
    return Probe(
        name=f"HTTP {code} of {target.name}",
        source=source,
        target=target,
        command=f"{_CURL} -o /dev/null -w '%{{http_code}}' --max-time 4 {url(host, port, path)}",
        expect=says(str(code), f"the code {code}"),
    )


def udp(source: str, target: Target, *, port: int = UDP, expect: Expect | None = None) -> Probe:
    """Send a datagram and want the echo. Asked up to twice: UDP may lose one on the best of networks."""
    ask = f"printf 'echo here' | nc -u -w 1 {quote(target.address)} {port}"
    return Probe(
        name=f"UDP to {target.name}{_family(target.address)}, port {port}",
        source=source,
        target=target,
        command=f'for i in 1 2; do a=$({ask}); [ "$a" = here ] && echo here && exit 0; done; exit 1',
        expect=expect or says("here", "the echo"),
    )


def ping(source: str, target: Target, *, count: int = 1, expect: Expect = _ANSWERED) -> Probe:
    """Send ICMP echo requests; each must be answered when there are several."""
    command = f"ping -c {count} -i 0.2 -W {ANSWER} {quote(target.address)}"
    if count > 1:
        command = f'o=$({command}); echo "$o" | grep -q \' 0% packet loss\' || {{ echo "$o" | tail -2; exit 1; }}'
    return Probe(
        name=f"ping {target.name}{_family(target.address)}" + (f", {count} in a row" if count > 1 else ""),
        source=source,
        target=target,
        command=command,
        expect=expect,
        seconds=10 + count // 2,
    )


def tls(source: str, target: Target, *, port: int, path: str = "/", expect: Expect = _ANSWERED) -> Probe:
    """Ask over HTTPS; whatever the server says is an answer, who it is does not matter here."""
    return Probe(
        name=f"HTTPS to {target.name}{_family(target.address)}, port {port}",
        source=source,
        target=target,
        command=f"{_CURL} -k -o /dev/null -w '%{{http_code}}' --max-time 4 {_https(target.address, port, path)}",
        expect=expect,
    )


def _https(address: str, port: int, path: str) -> str:
    return quote(f"https://{_host(address)}:{port}{path}")


def look_up(source: str, name: str, kind: str, expect: Expect, *, about: str, more: str = "") -> Probe:
    """Ask the cluster's name server."""
    command = f"dig +time={ANSWER} +tries=1 +short {more} {quote(name)} {kind} | sort"
    return Probe(name=about, source=source, target=Target(name=f"the name `{name}`"), command=command, expect=expect)


def pairs(bed: Bed) -> list[tuple[Pod, Pod, int]]:
    """Every client with every server, in every family: both directions between the two nodes, and within each."""
    return [(client, server, family) for client in bed.clients() for server in bed.servers() for family in bed.families]


def service(of: Service, family: int, node: str = "") -> Target:
    """A service's cluster address as the end of a probe."""
    return Target(name=f"service {of.name}", address=of.addresses[family], node=node)
