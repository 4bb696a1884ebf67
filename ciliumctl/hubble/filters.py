"""What flows are asked for: the filters of `hubble observe`, by its names and with its meaning.

Of one name several values are alternatives; of several names all must hold; one after `--not` takes away what it
matches. `--pod x` and its like mean either end, `--from-…` and `--to-…` one (hubble/cmd/observe/flows_filter.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ciliumctl.errors import UsageError
from ciliumctl.hubble.values import BARE, check, check_raw, split

#: Filters that stand for either end, and for one with `from-` or `to-` before them; and their field in a FlowFilter.
SIDED = {
    "pod": "pod",
    "service": "service",
    "workload": "workload",
    "label": "label",
    "ip": "ip",
    "fqdn": "fqdn",
    "identity": "identity",
    "port": "port",
}
#: Those that are about the flow as a whole.
WHOLE = {
    "uuid": "uuid",
    "node-name": "node_name",
    "node-label": "node_labels",
    "cluster": "node_name",
    "protocol": "protocol",
    "tcp-flags": "tcp_flags",
    "type": "event_type",
    "verdict": "verdict",
    "drop-reason-desc": "drop_reason_desc",
    "http-status": "http_status_code",
    "http-method": "http_method",
    "http-path": "http_path",
    "http-url": "http_url",
    "http-header": "http_header",
    "trace-id": "trace_id",
    "snat-ip": "source_ip_xlated",
    "ipv4": "ip_version",
    "ipv6": "ip_version",
    "ip-version": "ip_version",
    "traffic-direction": "traffic_direction",
    "interface": "interface",
    "cel-expression": "cel_expression",
    "ip-trace-id": "ip_trace_id",
    "encrypted": "encrypted",
    "unencrypted": "encrypted",
}
_NAMESPACES = ("namespace", "all-namespaces")
#: Every filter's name.
NAMES = frozenset(
    {prefix + name for name in (*SIDED, *_NAMESPACES) for prefix in ("", "from-", "to-")}
    | set(WHOLE)
    | {"from-cluster", "to-cluster"}
)
#: What cannot stand together, beside the pairs of either end with one end: both would be about the same end.
_CONFLICTS = (
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-namespace", "namespace", "from-all-namespaces", "all-namespaces"),
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-pod", "pod"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-namespace", "namespace", "to-all-namespaces", "all-namespaces"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-pod", "pod"),
    ("node-name", "cluster"),
    ("encrypted", "unencrypted"),
    *((name, f"{side}-{name}") for name in SIDED for side in ("from", "to")),
)
_DEFAULT_NAMESPACE = "default"
_CLUSTERS = ("from-cluster", "to-cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One filter as it was given."""

    name: str
    value: str
    negated: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What `hubble observe` is given for it. Name and value are one argument: no value becomes an option."""
        # An agent that has an option with a value in its place would take the next word for it.
        alone = self.name in BARE and self.name not in {"encrypted", "unencrypted"}
        word = f"--{self.name}" if alone else f"--{self.name}={self.value}"
        return ("--not", word) if self.negated else (word,)

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All filters of a question, checked, with the namespaces of their pods and services in them."""

    given: tuple[Filter, ...] = ()
    #: Hubble's own FlowFilters as JSON, one object each, for `--allowlist` and `--denylist`.
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments for `hubble observe`."""
        raw = [f"--allowlist={text}" for text in self.allow] + [f"--denylist={text}" for text in self.deny]
        return (*(word for one in self.given for word in one.words), *raw)

    def values(self, *names: str, negated: bool = False) -> tuple[str, ...]:
        """The values of the filters of these names."""
        return tuple(one.value for one in self.given if one.name in names and one.negated is negated)

    def added(self, *more: Filter) -> Filters:
        """These and more."""
        return replace(self, given=(*self.given, *more))

    def alternatives(self, *, negated: bool) -> tuple[Mapping[str, tuple[Any, ...]], ...]:
        """The FlowFilters that Hubble makes of them: a flow must match one, and of one all fields. None for no filter.

        Two, when some filter is about either end: all of those hold for the source, or all for the destination.
        """
        left: dict[str, list[Any]] = {}
        right: dict[str, list[Any]] = {}
        for one in self.given:
            if one.negated is negated:
                for targets, name in _fields(one):
                    for side in targets:
                        (left if side == "left" else right).setdefault(name, []).append(_value(one))
        made = [{name: tuple(values) for name, values in side.items()} for side in (left, right)]
        if not made[0] and not made[1]:
            return ()
        return (made[0],) if made[0] == made[1] else (made[0], made[1])


def read(given: Sequence[Filter], *, allow: Sequence[str] = (), deny: Sequence[str] = ()) -> Filters:
    """Check filters and settle which namespaces their pods and services are in. Asks nobody.

    Raises:
        UsageError: a value is wrong, or filters contradict each other.
    """
    checked = [replace(one, value=check(one)) for one in given]
    settled: list[Filter] = []
    for negated in (False, True):
        mine = [one for one in checked if one.negated is negated]
        _refuse_conflicts([one.name for one in mine])
        settled += _in_namespaces(mine)
    for text in (*allow, *deny):
        check_raw(text)
    return Filters(given=tuple(settled), allow=tuple(allow), deny=tuple(deny))


def _refuse_conflicts(names: Sequence[str]) -> None:
    for group in _CONFLICTS:
        # `--namespace` goes into the pods' names, whichever end they are.
        both = [name for name in dict.fromkeys(names) if name in group]
        if len(both) > 1:
            raise UsageError(
                f"`--{both[0]}` and `--{both[1]}` cannot be combined: both are about the same",
                hint="use `--from-…` and `--to-…` for two ends, or two commands",
            )


def _in_namespaces(mine: Sequence[Filter]) -> list[Filter]:
    """Pods and services with their namespace; namespaces that no pod and no service stands beside stay filters."""
    places = {
        side: [
            "" if one.name.endswith("all-namespaces") else one.value
            for one in mine
            if one.name in {f"{side}namespace", f"{side}all-namespaces"}
        ]
        for side in ("", "from-", "to-")
    }
    used: set[str] = set()
    settled: list[Filter] = []
    for one in mine:
        side, name = split(one.name)
        if name in {"pod", "service"}:
            mine_are = side if places[side] else ""
            if places[mine_are]:
                used.add(mine_are)
            settled += _qualified(one, places[mine_are])
        elif name not in _NAMESPACES:
            settled.append(one)
    return settled + [one for one in mine if split(one.name)[1] in _NAMESPACES and split(one.name)[0] not in used]


def _qualified(one: Filter, places: Sequence[str]) -> list[Filter]:
    place, slash, _name = one.value.partition("/")
    if not slash:
        return [replace(one, value=f"{found}/{one.value}") for found in places or [_DEFAULT_NAMESPACE]]
    if places and "" not in places and place not in places:
        raise UsageError(
            f"`--{one.name} {one.value}` is in namespace `{place}`, and `{', '.join(places)}` was asked for",
            hint="leave the namespace away in one of the two",
        )
    return [one]


def _fields(one: Filter) -> Iterable[tuple[tuple[str, ...], str]]:
    """Into which of the two FlowFilters it goes, and as which field."""
    side, name = split(one.name)
    both = ("left", "right")
    if name in _NAMESPACES:
        name = "pod"
    if one.name in _CLUSTERS:
        yield both, f"{'source' if side == 'from-' else 'destination'}_cluster_name"
    elif name in SIDED:
        ends = {"": (("left",), ("right",)), "from-": (both, ()), "to-": ((), both)}[side]
        for targets, end in zip(ends, ("source", "destination"), strict=True):
            if targets:
                yield targets, f"{end}_{SIDED[name]}"
    else:
        yield both, WHOLE[name]


def _value(one: Filter) -> Any:
    name = split(one.name)[1]
    if name == "namespace":
        return f"{one.value}/"
    if name == "all-namespaces":
        return "/"
    if name == "cluster" and one.name not in _CLUSTERS:
        return f"{one.value}/"
    if name in {"encrypted", "unencrypted"}:
        return name == "encrypted"
    if name in {"identity", "ip-trace-id"}:
        return int(one.value)
    return one.value
