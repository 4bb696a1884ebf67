"""Where a target's packets can be had: which way is taken is decided, and said, before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ciliumctl import agents, guests, templates
from ciliumctl.agents import AGENT_CONTAINER, AGENT_LABEL, Agent
from ciliumctl.capture import filters
from ciliumctl.capture.model import Method, Target, Wanted
from ciliumctl.clients.kube import PODS, ExecResult, Kube, dig, namespace_of
from ciliumctl.errors import CiliumctlError, ClusterError, Forbidden, Missing, UsageError
from ciliumctl.report import Reporter

PURPOSE = "capture"
#: What the runtime calls the first interface of a pod (CRI's own convention in containerd and CRI-O).
POD_INTERFACE = "eth0"
NODE_INTERFACE = "any"
#: Seconds that a guest lives beyond the capture: to be started, and for its file to be read.
SPARE = 600.0
_ORDER: tuple[Method, ...] = ("pod", "agent", "node")
#: Devices through which the packets of other pods go as well.
_SHARED = ("cilium_", "lo", "docker", "cni0", "br")
_NOT_THERE = {126, 127}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one target is captured. `makes` is what for that is created, empty for nothing."""

    target: Target
    method: Method
    interface: str
    makes: str = ""
    passed_over: tuple[str, ...] = ()
    agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A container in which tcpdump sees a target's packets; `prefix` goes into the target's network."""

    plan: Plan
    namespace: str
    pod: str
    container: str
    prefix: tuple[str, ...] = ()
    guest: guests.Guest | None = None

    def script(self, work: str, folder: str, *words: str) -> list[str]:
        """The command that runs `templates/capture/capture.sh`; it ends with the guest."""
        text = templates.path("capture/capture.sh").read_text(encoding="utf-8")
        command = ["sh", "-c", text, "ciliumctl-capture", work, folder, *words]
        return self.guest.command(*command) if self.guest is not None else command

    def run(self, kube: Kube, work: str, folder: str, *words: str, timeout: float = 30.0) -> ExecResult:
        """Run it to its end."""
        command = self.script(work, folder, *words)
        return kube.exec(self.namespace, self.pod, command, container=self.container, timeout=timeout)


class _Passed(Exception):
    """A way that cannot be taken, and why."""


def choose(kube: Kube, target: Target, wanted: Wanted) -> Plan:
    """Decide how a target is captured: the first way that can be taken. Nothing is made.

    Two to eight requests: a dry run of what would be made, and a look whether the agent has tcpdump.

    Raises:
        UsageError: the way that was asked for does not fit the target. Forbidden: no way is open to this user.
        Missing: the agent was asked for, and has no tcpdump.
    """
    if wanted.where == "pod" and target.kind == "node":
        raise UsageError(
            f"{target.words} has no containers beside which tcpdump could run", hint="`--where agent` or `--where node`"
        )
    ways = [way for way in _ORDER if wanted.where in {"auto", way} and not (way == "pod" and target.kind == "node")]
    passed: list[str] = []
    for way in ways:
        try:
            return _WAYS[way](kube, target, wanted, tuple(passed))
        except _Passed as why:
            passed.append(f"{_NAMES[way]}: {why}")
    if wanted.where == "agent":
        raise Missing(f"{target.words} cannot be captured by the agent of its node: {passed[0]}", hint="`--where auto`")
    raise Forbidden(
        f"{target.words} cannot be captured: {'; '.join(passed)}",
        hint="each way needs a right: `pods/ephemeralcontainers`, `pods/exec` of the agent, or `pods` with host access",
    )


_NAMES: dict[Method, str] = {"pod": "no ephemeral container", "agent": "not by the agent", "node": "no pod on the node"}


def how(wanted: Wanted, method: Method, target: Target) -> guests.How:
    """How the guest is made: with the least that can capture; into another pod's network only root goes."""
    goes_in = method == "node" and target.kind == "pod" and not target.host_network
    return guests.How(
        image=wanted.image,
        pull_secret=wanted.pull_secret,
        profile="sysadmin" if goes_in else "netadmin",
        ttl=wanted.limits.seconds + SPARE,
        purpose=PURPOSE,
        owner=wanted.owner,
    )


def _beside(kube: Kube, target: Target, wanted: Wanted, passed: tuple[str, ...]) -> Plan:
    made = how(wanted, "pod", target)
    try:
        admitted = guests.admission(kube, target.namespace, made, kind="ephemeral", pod=target.name)
    except ClusterError as error:
        raise _Passed(error.message) from error
    if not admitted.ok:
        raise _Passed(admitted.refusal)
    return Plan(
        target=target,
        method="pod",
        interface=wanted.interface or (NODE_INTERFACE if target.host_network else POD_INTERFACE),
        makes=f"an ephemeral container in the pod, as root with NET_ADMIN and NET_RAW, from `{made.reference}`; "
        "it ends with the capture, its entry stays in the pod's spec",
        passed_over=passed,
    )


def _agent(kube: Kube, target: Target, wanted: Wanted, passed: tuple[str, ...]) -> Plan:
    try:
        agent = agent_of(kube, target.node, wanted.cilium)
        if agent is None:
            raise _Passed(f"none is ready on node `{target.node}`")
        ran = _ask(kube, agent, "tcpdump", "--version")
        if ran.code:
            raise _Passed("its image has no tcpdump")
        interface = wanted.interface or _interface(kube, agent, target)
    except ClusterError as error:
        raise _Passed(error.message) from error
    return Plan(target=target, method="agent", interface=interface, passed_over=passed, agent=agent)


def _node(kube: Kube, target: Target, wanted: Wanted, passed: tuple[str, ...]) -> Plan:
    made = how(wanted, "node", target)
    try:
        admitted = guests.admission(kube, wanted.cilium, made, kind="node", node=target.node)
    except ClusterError as error:
        raise _Passed(error.message) from error
    if not admitted.ok:
        raise _Passed(admitted.refusal)
    rights = "privileged" if made.profile == "sysadmin" else "as root with NET_ADMIN and NET_RAW"
    own = POD_INTERFACE if target.kind == "pod" and not target.host_network else NODE_INTERFACE
    return Plan(
        target=target,
        method="node",
        interface=wanted.interface or own,
        makes=f"a pod in namespace `{wanted.cilium}` on node `{target.node}`, {rights}, with the node's network, "
        f"processes and (to be read) files, from `{made.reference}`; it is deleted at the end",
        passed_over=passed,
    )


_WAYS: dict[Method, Callable[[Kube, Target, Wanted, tuple[str, ...]], Plan]] = {
    "pod": _beside,
    "agent": _agent,
    "node": _node,
}


def agent_of(kube: Kube, node: str, namespace: str) -> Agent | None:
    """The agent of a node when it is ready; wherever Cilium is, as the namespace on the command line is the pods'."""
    found = agents.find(kube, namespace, nodes=(node,))
    if not found:
        for pod in kube.objects(PODS, labels=AGENT_LABEL, fields=f"spec.nodeName={node}", metadata_only=True):
            if namespace_of(pod) != namespace:
                found = agents.find(kube, namespace_of(pod), nodes=(node,))
    return next((one for one in found if one.ready), None)


def _ask(kube: Kube, agent: Agent, *words: str) -> ExecResult:
    return kube.exec(agent.namespace, agent.pod, agents.by_shell(words), container=AGENT_CONTAINER)


def _interface(kube: Kube, agent: Agent, target: Target) -> str:
    """The node's end of a pod's cable: what the agent says of its endpoint, else the device of the route to the pod."""
    if target.host_network:
        return NODE_INTERFACE
    for address in target.addresses:
        prefix = "ipv6" if ":" in address else "ipv4"
        try:
            endpoint = agents.ask_json(kube, agent, ["endpoint", "get", f"{prefix}:{address}"])
        except ClusterError:
            endpoint = None
        name: str = dig(endpoint, 0, "status", "networking", "interface-name", default="")
        if name:
            return name
    for address in target.addresses:
        ran = _ask(kube, agent, "ip", "-o", "route", "get", address)
        words = ran.text.split()
        device = words[words.index("dev") + 1] if ran.code == 0 and "dev" in words[:-1] and "via" not in words else ""
        if device and not device.startswith(_SHARED):
            return device
    raise _Passed("it does not say which interface of the node is the pod's")


def opened(kube: Kube, plan: Plan, wanted: Wanted, report: Reporter) -> Place:
    """Make what the plan says; the caller takes it away again (`guests.part`).

    Raises:
        CiliumctlError: it cannot be made, does not start, or does not find the pod on its node.
    """
    target = plan.target
    if plan.agent is not None:
        return Place(plan=plan, namespace=plan.agent.namespace, pod=plan.agent.pod, container=AGENT_CONTAINER)
    made = how(wanted, plan.method, target)
    if plan.method == "pod":
        guest = guests.beside(kube, target.namespace, target.name, made, report, told=True)
    else:
        guest = guests.on_node(kube, target.node, made, report, wanted.cilium)
    place = Place(plan=plan, namespace=guest.namespace, pod=guest.pod, container=guest.container, guest=guest)
    if plan.method == "pod" or target.kind == "node" or target.host_network:
        return place
    with guests.undo_on_failure(kube, guest, report):
        return _inside(kube, place)


def _inside(kube: Kube, place: Place) -> Place:
    """The place with the way into the pod's network."""
    target = place.plan.target
    ran = place.run(kube, "find", "none", *target.containers)
    if ran.code or not target.containers:
        raise Missing(
            f"the processes of {target.words} are not found on node `{target.node}`",
            hint="a runtime with a virtual machine a pod hides them: `--where pod` or `--where agent`",
        )
    return replace(place, prefix=("nsenter", "-t", ran.text, "-n"))


def check(kube: Kube, place: Place, expression: str) -> None:
    """Let tcpdump compile the filter for the very interface. One exec.

    Raises:
        UsageError: it does not take the filter, or there is no such interface. Missing: there is no tcpdump.
        Forbidden: it must not listen there.
    """
    plan = place.plan
    ran = place.run(kube, "check", "none", *place.prefix, *filters.compiling(plan.interface, expression))
    if not ran.code:
        return
    said = ran.stderr.decode("utf-8", "replace")
    words = filters.words_of(said)
    if ran.code in _NOT_THERE and "No such device" not in said:
        raise Missing(
            f"there is no tcpdump for {plan.target.words}: {words}",
            hint="`--image REF` names an image that has `sh`, `tcpdump` and `nsenter`",
        )
    if "No such device" in said or "SIOCGIFHWADDR" in said:
        raise UsageError(
            f"{plan.target.words} has no interface `{plan.interface}`", hint="`--interface any` takes all of them"
        )
    if "permi" in said.lower():
        raise Forbidden(f"tcpdump must not listen for {plan.target.words}: {words}", hint="try another `--where`")
    raise filters.refused(expression, said) if expression else failed(plan.target, said)


def failed(target: Target, said: str) -> CiliumctlError:
    """The error of a tcpdump that does not begin."""
    return Missing(f"tcpdump does not begin for {target.words}: {filters.words_of(said)}", detail=said.strip())
