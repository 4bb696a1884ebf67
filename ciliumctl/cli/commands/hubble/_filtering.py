"""The filters as options: the hubble command's own names, for every command that asks for flows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from ciliumctl.cli.arguments import Arguments
from ciliumctl.cli.groups import OptionGroup
from ciliumctl.cli.options import option
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.hubble.choosing import Reach
    from ciliumctl.hubble.filters import Filters

#: Options that stand without a value, and the one that they have then.
_BARE = {"--ipv4": "v4", "-4": "v4", "--ipv6": "v6", "-6": "v6"} | dict.fromkeys(
    ("--all-namespaces", "-A", "--from-all-namespaces", "--to-all-namespaces", "--encrypted", "--unencrypted"), "true"
)
_SHORT = {"-n": "namespace", "-l": "label", "-t": "type", "-4": "ipv4", "-6": "ipv6", "-A": "all-namespaces"}
# Before the value of a filter that `--not` stands before: no argument of a program can have it in it.
_NOT = "\0"


def _filter(*names: str, value: str, what: str) -> Any:
    return option(*names, metavar=value, help=what)


_POD, _PLACE = "[NS/]NAME", "NAMESPACE"
_Many = list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions(OptionGroup):
    """Which flows. Of one option several values are alternatives; all options must hold."""

    pod: Annotated[_Many, _filter("--pod", value=_POD, what="Either end is a pod whose name begins so")] = None
    from_pod: Annotated[_Many, _filter("--from-pod", value=_POD, what="It comes from such a pod")] = None
    to_pod: Annotated[_Many, _filter("--to-pod", value=_POD, what="It goes to such a pod")] = None
    namespace: Annotated[_Many, _filter("--namespace", "-n", value=_PLACE, what="Either end is in this namespace")] = (
        None
    )
    from_namespace: Annotated[_Many, _filter("--from-namespace", value=_PLACE, what="It comes from there")] = None
    to_namespace: Annotated[_Many, _filter("--to-namespace", value=_PLACE, what="It goes there")] = None
    all_namespaces: Annotated[
        _Many, _filter("--all-namespaces", "-A", value="", what="Either end is in some namespace")
    ] = None
    from_all_namespaces: Annotated[
        _Many, _filter("--from-all-namespaces", value="", what="It comes from some namespace")
    ] = None
    to_all_namespaces: Annotated[_Many, _filter("--to-all-namespaces", value="", what="It goes to some namespace")] = (
        None
    )
    label: Annotated[_Many, _filter("--label", "-l", value="SELECTOR", what="Either end has these labels")] = None
    from_label: Annotated[_Many, _filter("--from-label", value="SELECTOR", what="The source has them")] = None
    to_label: Annotated[_Many, _filter("--to-label", value="SELECTOR", what="The destination has them")] = None
    service: Annotated[_Many, _filter("--service", value=_POD, what="Either end is a service whose name begins so")] = (
        None
    )
    from_service: Annotated[_Many, _filter("--from-service", value=_POD, what="The source is")] = None
    to_service: Annotated[_Many, _filter("--to-service", value=_POD, what="The destination is")] = None
    workload: Annotated[_Many, _filter("--workload", value="[KIND/]NAME", what="Either end is of this workload")] = None
    from_workload: Annotated[_Many, _filter("--from-workload", value="[KIND/]NAME", what="The source is")] = None
    to_workload: Annotated[_Many, _filter("--to-workload", value="[KIND/]NAME", what="The destination is")] = None
    ip: Annotated[_Many, _filter("--ip", value="ADDRESS|RANGE", what="Either end has this address")] = None
    from_ip: Annotated[_Many, _filter("--from-ip", value="ADDRESS|RANGE", what="The source has it")] = None
    to_ip: Annotated[_Many, _filter("--to-ip", value="ADDRESS|RANGE", what="The destination has it")] = None
    snat_ip: Annotated[_Many, _filter("--snat-ip", value="ADDRESS|RANGE", what="The source was translated to it")] = (
        None
    )
    fqdn: Annotated[_Many, _filter("--fqdn", value="PATTERN", what="Either end has such a name, `*.example.com`")] = (
        None
    )
    from_fqdn: Annotated[_Many, _filter("--from-fqdn", value="PATTERN", what="The source has")] = None
    to_fqdn: Annotated[_Many, _filter("--to-fqdn", value="PATTERN", what="The destination has")] = None
    identity: Annotated[_Many, _filter("--identity", value="ID|NAME", what="Either end has this identity")] = None
    from_identity: Annotated[_Many, _filter("--from-identity", value="ID|NAME", what="The source has it")] = None
    to_identity: Annotated[_Many, _filter("--to-identity", value="ID|NAME", what="The destination has it")] = None
    port: Annotated[_Many, _filter("--port", value="PORT", what="Either end has this port")] = None
    from_port: Annotated[_Many, _filter("--from-port", value="PORT", what="The source has it")] = None
    to_port: Annotated[_Many, _filter("--to-port", value="PORT", what="The destination has it")] = None
    protocol: Annotated[_Many, _filter("--protocol", value="NAME", what="tcp, udp, icmp, dns, http, …")] = None
    tcp_flags: Annotated[_Many, _filter("--tcp-flags", value="FLAGS", what="Has these flags, such as SYN,ACK")] = None
    verdict: Annotated[_Many, _filter("--verdict", value="VERDICT", what="FORWARDED, DROPPED, AUDIT, …")] = None
    drop_reason_desc: Annotated[
        _Many, _filter("--drop-reason-desc", value="NAME", what="Was dropped for this, such as POLICY_DENIED")
    ] = None
    type: Annotated[
        _Many, _filter("--type", "-t", value="TYPE[:SUB]", what="trace, drop, policy-verdict, l7, capture, trace-sock")
    ] = None
    traffic_direction: Annotated[
        _Many, _filter("--traffic-direction", value="WAY", what="ingress or egress, as seen from the pod")
    ] = None
    http_status: Annotated[_Many, _filter("--http-status", value="CODE", what="404, or 5+ for all that begin so")] = (
        None
    )
    http_method: Annotated[_Many, _filter("--http-method", value="METHOD", what="GET, POST, …")] = None
    http_path: Annotated[_Many, _filter("--http-path", value="REGEXP", what="The path of the URL fits")] = None
    http_url: Annotated[_Many, _filter("--http-url", value="REGEXP", what="The URL fits")] = None
    http_header: Annotated[_Many, _filter("--http-header", value="NAME:VALUE", what="Has this header")] = None
    node_name: Annotated[_Many, _filter("--node-name", value="PATTERN", what="Seen on such a node, `worker-*`")] = None
    node_label: Annotated[_Many, _filter("--node-label", value="SELECTOR", what="Seen on a node with these labels")] = (
        None
    )
    cluster: Annotated[_Many, _filter("--cluster", value="PATTERN", what="Seen in such a cluster of the mesh")] = None
    from_cluster: Annotated[_Many, _filter("--from-cluster", value="NAME", what="It comes from this cluster")] = None
    to_cluster: Annotated[_Many, _filter("--to-cluster", value="NAME", what="It goes to this cluster")] = None
    interface: Annotated[_Many, _filter("--interface", value="NAME", what="Seen at this device")] = None
    ipv4: Annotated[_Many, _filter("--ipv4", "-4", value="", what="Only IPv4")] = None
    ipv6: Annotated[_Many, _filter("--ipv6", "-6", value="", what="Only IPv6")] = None
    ip_version: Annotated[_Many, _filter("--ip-version", value="v4|v6|none", what="Only this version of IP")] = None
    uuid: Annotated[_Many, _filter("--uuid", value="ID", what="The one flow with this ID")] = None
    trace_id: Annotated[_Many, _filter("--trace-id", value="ID", what="Belongs to this trace")] = None
    ip_trace_id: Annotated[
        _Many, _filter("--ip-trace-id", value="NUMBER", what="Its packet has this number in an IP option")
    ] = None
    encrypted: Annotated[_Many, _filter("--encrypted", value="", what="Only what was encrypted")] = None
    unencrypted: Annotated[_Many, _filter("--unencrypted", value="", what="Only what was not")] = None
    cel_expression: Annotated[
        _Many, _filter("--cel-expression", value="TEXT", what="The agent's CEL says so, such as `_flow.l4 != null`")
    ] = None
    allowlist: Annotated[_Many, _filter("--allowlist", value="JSON", what="One of Hubble's own FlowFilters")] = None
    denylist: Annotated[_Many, _filter("--denylist", value="JSON", what="What fits none of these")] = None

    def filters(self) -> Filters:
        """Checked. Raises `UsageError`."""
        from ciliumctl.hubble import filters

        given = []
        for field in fields(self):
            name = field.name.replace("_", "-")
            if name in {"allowlist", "denylist"}:
                continue
            for value in getattr(self, field.name) or ():
                negated = value.startswith(_NOT)
                given.append(filters.Filter(name=name, value=value.removeprefix(_NOT), negated=negated))
        return filters.read(given, allow=self.allowlist or (), deny=self.denylist or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachOptions(OptionGroup):
    """Which agents are asked."""

    all_nodes: Annotated[
        bool, option("--all-nodes", help="Ask every agent, not only those on the nodes of the pods that are named")
    ] = False
    max_nodes: Annotated[
        int, option("--max-nodes", metavar="N", min=0, help="Ask at most N nodes (default: all; to follow, 100)")
    ] = 0
    parallel: Annotated[
        int, option("--parallel", metavar="N", min=1, max=256, help="Agents asked at the same time (default: 32)")
    ] = 32

    def reach(self, session: Session) -> Reach:
        """In the namespace that was given before the command: after it, `-n` is about the flows."""
        from ciliumctl.hubble.choosing import Reach

        return Reach(
            namespace=session.settings.namespace,
            all_nodes=self.all_nodes,
            most=self.max_nodes,
            parallel=self.parallel,
            patience=session.settings.request_timeout,
        )


def marked(arguments: list[str]) -> list[str]:
    """Mark the filter that follows each `--not`, which is about the next filter, whatever stands between.

    Raises:
        UsageError: there is none, or `--not` stands twice.
    """
    return list(_marked(arguments))


def _marked(arguments: Sequence[str]) -> Iterator[str]:
    pending = False
    words = iter(arguments)
    for word in words:
        if word in {"--not", "--not=true"}:
            if pending:
                raise UsageError("`--not` stands twice before one filter", hint="write it once before each filter")
            pending = True
            continue
        name, equals, value = _parts(word)
        if not pending or name not in _OPTIONS:
            yield word
            # What belongs to another option is none of its own.
            if name in _OPTIONS and name not in _BARE and not equals:
                yield from _next(words)
            continue
        pending = False
        if equals or name in _BARE:
            yield (
                f"{name}={_NOT}{value if equals else _BARE[name]}" if name.startswith("--") else f"{name}{_NOT}{value}"
            )
        else:
            yield name
            yield from (f"{_NOT}{found}" for found in _next(words))
    if pending:
        raise UsageError("nothing follows `--not`", hint="write it before the filter that it takes away")


def _next(words: Iterator[str]) -> Iterator[str]:
    found = next(words, None)
    if found is not None:
        yield found


def _parts(word: str) -> tuple[str, str, str]:
    """An option's name, a sign when its value is in the same word, and that value."""
    if word.startswith("--") or len(word) <= 2 or word[:2] not in _SHORT:
        return word.partition("=")
    return word[:2], "=", word[2:].removeprefix("=")


_OPTIONS = {f"--{field.name.replace('_', '-')}" for field in fields(FilterOptions)} | set(_SHORT)
_OPTIONS -= {"--allowlist", "--denylist"}
ARGUMENTS = Arguments(rewrite=marked, bare=_BARE)
