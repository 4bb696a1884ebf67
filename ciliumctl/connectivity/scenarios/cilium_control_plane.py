"""What the agents say of what pods cannot see: the other nodes' health, BGP sessions, other clusters, IPsec's errors.

The agents are asked in their own pods and nothing is changed there. Their image has no jq, so answers are read with
grep and sed. Before 1.15 their program was `cilium`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from ciliumctl.agents import AGENT_PROGRAM
from ciliumctl.clients.kube import SERVICES
from ciliumctl.connectivity import needs
from ciliumctl.connectivity.commands import HTTP, http
from ciliumctl.connectivity.model import Applied, Bed, Pod, Probe, Scenario, Target, World, says

_GLOBAL = "global"
#: Where agents find the other clusters, unless `clustermesh-config` says otherwise.
_MESH = "/var/lib/cilium/clustermesh"


def _of(agent: Pod, what: str) -> Target:
    return Target(name=what, node=agent.node)


def _health(bed: Bed) -> Iterator[Probe]:
    """Each agent probes all nodes; in its JSON a `status` that is not empty says what does not work.

    The official CLI reads the same: `cilium-cli/connectivity/tests/health.go` of cilium/cilium.
    """
    names = [node.name.replace(".", "\\.") for node in bed.world.nodes]
    # A node's name has the cluster's before it, as `default/one`.
    known = " && ".join(f'echo "$o" | grep -qE \'"name": *"([^"/]*/)?{name}"\'' for name in names)
    for agent in bed.group("agent"):
        lines = [
            "for i in 1 2 3; do",
            "  o=$(cilium-health status --probe -o json 2>&1) || { sleep 1; continue; }",
            '  s=$(echo "$o" | grep -oE \'"status": *"[^"]+"\' | sort | uniq -c)',
            f'  {known} && [ -z "$s" ] && echo healthy && exit 0',
            "  sleep 1",
            "done",
            '[ -n "$s" ] && echo "$s" || echo "$o" | tail -3; exit 1',
        ]
        yield Probe(
            name="the health of all nodes",
            source=agent.role,
            target=_of(agent, "every node, as the agent probes it"),
            command="\n".join(lines),
            expect=says("healthy", "every node reached by ICMP and HTTP"),
            seconds=45,
        )


def _peers(bed: Bed) -> Iterator[Probe]:
    """Fields: `api/v1/models/bgp_peer.go` and `bgp_route.go`.

    A node that no BGP configuration selects has no peers, and fails: that nothing is there must not look like success.
    """
    for agent in bed.group("agent"):
        lines = [
            AGENT_PROGRAM,
            'o=$($c bgp peers -o json 2>&1) || { echo "$o" | tail -1; exit 1; }',
            's=$(echo "$o" | grep -oE \'"session-state": *"[^"]*"\' | sed \'s/.*: *"//; s/"//\')',
            'n=$(echo "$s" | grep -c .); e=$(echo "$s" | grep -c \'^established$\')',
            '[ $n -gt 0 ] || { echo "no BGP session on this node"; exit 1; }',
            '[ $n = $e ] || { echo "$e of $n sessions established"; exit 1; }',
            "r=$(for f in ipv4 ipv6; do $c bgp routes advertised $f unicast -o json 2>/dev/null; done)",
            'echo "$r" | grep -q \'"prefix"\' || { echo "$n sessions, and no route is advertised"; exit 1; }',
            'echo "all $n sessions established"',
        ]
        yield Probe(
            name="the BGP sessions of a node",
            source=agent.role,
            target=_of(agent, "the agent's BGP speaker"),
            command="\n".join(lines),
            expect=says(r"all \d+ sessions established", "established sessions and routes"),
        )


def _clusters(bed: Bed) -> Iterator[Probe]:
    """The line is `ClusterMesh: 1/1 remote clusters ready, ...`; in some versions without `remote` (pkg/client).

    How many there must be is what the agent is given: a file with `endpoints:` for each cluster, its own left out
    (`pkg/clustermesh/common/config.go`). So neither a lost cluster nor a line in other words is taken for none.
    """
    config = bed.world.config
    folder, own = quote(config.get("clustermesh-config") or _MESH), quote(config.get("cluster-name", "default"))
    for agent in bed.group("agent"):
        lines = [
            AGENT_PROGRAM,
            f"n=0; for f in {folder}/*; do",
            f'  [ "${{f##*/}}" != {own} ] && grep -qs "endpoints:" "$f" && n=$((n + 1))',
            "done",
            'o=$($c status 2>&1) || { echo "$o" | tail -1; exit 1; }',
            "m=$(echo \"$o\" | sed -n 's#^ClusterMesh: *\\([0-9]*/[0-9]*\\) .*#\\1#p')",
            '[ "${m:-0/0}" = 0/0 ] && [ $n = 0 ] && echo "no other cluster is configured" && exit 0',
            '[ -n "$m" ] || { echo "the agent says nothing of $n other clusters"; exit 1; }',
            '[ "${m#*/}" -ge $n ] || { echo "$m ready, and $n are configured"; exit 1; }',
            'echo "$m"',
        ]
        yield Probe(
            name="the other clusters of the mesh",
            source=agent.role,
            target=_of(agent, "the agent's view of the mesh"),
            command="\n".join(lines),
            expect=says(r"(\d+)/\1|no other cluster is configured", "all clusters ready"),
        )
    target = Target(name="a global service")
    for client in bed.clients():
        name = f"{_GLOBAL}.{bed.namespace}.svc.{bed.world.domain}"
        yield http(client.role, target, host=name, expect=says("|".join(pod.name for pod in bed.servers())))


def _global(bed: Bed) -> Sequence[Applied]:
    """A service that every cluster of the mesh may answer; nobody else has this namespace, so this one does."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": _GLOBAL,
            "namespace": bed.namespace,
            "annotations": {"service.cilium.io/global": "true"},
        },
        "spec": {
            "selector": {"kind": "server"},
            "ports": [{"name": "http", "port": HTTP, "targetPort": HTTP, "protocol": "TCP"}],
        },
    }
    return [Applied(SERVICES, manifest)]


def _in_mesh(world: World) -> str:
    alone = world.config.get("cluster-id", "0") in {"", "0"}
    return needs.cilium(world) or ("this cluster is in no mesh (`cluster-id` is 0)" if alone else "")


def _errors(bed: Bed) -> Iterator[Probe]:
    """The kernel's counters of the host's network, which the agent is in, while pods talk across nodes.

    Old errors do not count: rotating keys and starting nodes leave some behind.
    """
    count = "$(awk '{ n += $2 } END { print n + 0 }' /proc/net/xfrm_stat)"
    for agent in bed.group("agent"):
        lines = [
            "[ -r /proc/net/xfrm_stat ] || { echo 'the kernel keeps no counters'; exit 1; }",
            f"a={count}; sleep 5; b={count}",
            '[ "$a" = "$b" ] && echo "no new errors" && exit 0',
            'echo "$((b - a)) new errors"; grep -v " 0$" /proc/net/xfrm_stat; exit 1',
        ]
        yield Probe(
            name="IPsec's errors while pods talk",
            source=agent.role,
            target=_of(agent, "the kernel's counters"),
            command="\n".join(lines),
            expect=says("no new errors"),
            seconds=12,
        )
    for client, server in ((bed.pod("client"), bed.pod("far")), (bed.pod("far-client"), bed.pod("near"))):
        asked = http(client.role, server.target(bed.families[0]))
        yield Probe(
            name="HTTP while the errors are counted",
            source=client.role,
            target=asked.target,
            command=f"for i in 1 2 3 4 5 6 7 8; do {asked.command} >/dev/null || exit 1; sleep 0.5; done",
            seconds=12,
        )


def _keys(bed: Bed) -> Iterator[Probe]:
    """Every state has a partner in the other direction, as the official CLI wants it (`ipsec_key_derivation.go`).

    Cilium's states have reqid 1, and the words are those of `encrypt_status.go`.
    """
    alone = """echo "$s" | while read a b; do echo "$s" | grep -qx "$b $a" || echo "only $a to $b"; done"""
    for agent in bed.group("agent"):
        lines = [
            AGENT_PROGRAM,
            'o=$($c encrypt status 2>&1) || { echo "$o" | tail -1; exit 1; }',
            'echo "$o" | grep -qi \'^Encryption: *ipsec\' || { echo "$o" | head -1; exit 1; }',
            "echo \"$o\" | grep -qE '^Keys in use: *[1-9]' || { echo 'no key is in use'; exit 1; }",
            "s=$(ip xfrm state list reqid 1 | sed -n 's/^src \\([^ ]*\\) dst \\([^ ]*\\).*/\\1 \\2/p' | sort -u)",
            '[ -n "$s" ] || { echo "no key is in the kernel"; exit 1; }',
            f"a=$({alone})",
            '[ -z "$a" ] && echo "both directions" && exit 0',
            'echo "$a" | head -3; exit 1',
        ]
        yield Probe(
            name="IPsec's keys",
            source=agent.role,
            target=_of(agent, "the keys for the other nodes"),
            command="\n".join(lines),
            expect=says("both directions", "keys for both directions"),
        )


HEALTH = Scenario(
    name="cilium-health",
    about="every agent reaches every node and its health endpoint",
    category="cilium",
    probes=_health,
    needs=(needs.switched_on("enable-health-checking", "Cilium's health checks are off", default=True),),
    groups=("agents",),
    official=("health",),
)
BGP = Scenario(
    name="cilium-bgp",
    about="each of the nodes has BGP sessions, all of them established, and advertises routes",
    category="cilium",
    probes=_peers,
    needs=(needs.switched_on("enable-bgp-control-plane", "Cilium's BGP is off"), needs.since(1, 15)),
    groups=("agents",),
)
MESH = Scenario(
    name="cilium-cluster-mesh",
    about="every other cluster that the agents are told of is ready, and a global service works here",
    category="cilium",
    probes=_clusters,
    objects=_global,
    needs=(_in_mesh,),
    groups=("agents",),
)
_IPSEC = (needs.switched_on("enable-ipsec", "IPsec is off"), needs.two_nodes)

ERRORS = Scenario(
    name="cilium-ipsec-errors",
    about="IPsec's errors do not grow while pods talk to the other node",
    category="cilium",
    probes=_errors,
    needs=_IPSEC,
    groups=("agents",),
)
KEYS = Scenario(
    name="cilium-ipsec-keys",
    about="each node has IPsec keys, and for both directions between any two nodes",
    category="cilium",
    probes=_keys,
    # The official test's own gate: before, incoming traffic had states of any source.
    needs=(*_IPSEC, needs.since(1, 19)),
    groups=("agents",),
)
