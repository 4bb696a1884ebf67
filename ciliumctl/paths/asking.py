"""Ask the agents of the two nodes what they do with this path: one exec in each, all commands of it at once.

The commands are those of Cilium 1.15 to 1.20 (`cilium-dbg bpf policy get`, `bpf ipcache get`, `bpf lb list`,
`cilium-health status`); what an agent does not know is lacking, and stops nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ciliumctl.agents import AGENT_CONTAINER, AGENT_PROGRAM, Agent, program
from ciliumctl.clients.kube import Kube
from ciliumctl.connectivity.asking import answers, script
from ciliumctl.errors import CiliumctlError
from ciliumctl.latency import health
from ciliumctl.paths.facts import AgentFacts, Entry

#: Seconds for one agent: five commands of two at most, and the connection.
PATIENCE = 15.0
_LONGEST = 100_000
#: Lines of the service table that are looked at.
_LINES = 200
# What `bpf policy get -n` prints (cilium-dbg/cmd/bpf_policy_get.go): a row's port is `8080/TCP`, `8080-8083/TCP`,
# `ANY/TCP` or `ANY`.
_ROW = re.compile(r"^(Allow|Deny)\s+(Ingress|Egress)\s+(\d+|ANY)\s+(?:(\d+)(?:-(\d+))?/|ANY/)?(\w+)\s")
_MAPS_TO = re.compile(r"maps to identity .*?identity=(\d+).*?tunnelendpoint=(\S+)")
_LB_SLOT = re.compile(r"\((\d+)\)(?:\s+\[.*)?\s*$")
_LINK = 'd=$(ip -o route get "$1" | sed -n "s/.* dev \\([^ ]*\\).*/\\1/p"); exec cat "/sys/class/net/$d/mtu"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask the agent of one node. Parts that are empty are not asked.

    Attributes:
        endpoint: The number of the endpoint there whose policy map matters; 0 for none.
        other: The address of the other end.
        frontend: The service's address and port, as `bpf lb list` writes them.
        peer: The other node's name and address.
    """

    agent: Agent
    endpoint: int = 0
    other: str = ""
    frontend: str = ""
    peer: str = ""
    peer_address: str = ""


def commands(question: Question) -> dict[str, list[str]]:
    """The commands by the part that they answer. Addresses and numbers are arguments, never part of a script."""
    found: dict[str, list[str]] = {}
    if question.endpoint:
        found["policy"] = program(["bpf", "policy", "get", str(question.endpoint), "-n"])
    if question.other:
        found["ipcache"] = program(["bpf", "ipcache", "get", question.other])
    if question.frontend:
        listed = f'{AGENT_PROGRAM}; said=$($c bpf lb list 2>&1) || {{ echo "$said"; exit 1; }}; '
        awk = '/^[^ ]/ { f = $1; sub("/.*", "", f); on = f == a } on'
        filtered = f"""echo "$said" | awk -v a="$1" '{awk}' | head -n {_LINES}"""
        found["frontend"] = ["sh", "-c", listed + filtered, "sh", question.frontend]
    if question.peer:
        found["peer"] = ["cilium-health", "status", "-o", "json"]
    if question.peer_address:
        found["mtu"] = ["sh", "-c", _LINK, "sh", question.peer_address]
    return found


def ask(kube: Kube, question: Question) -> AgentFacts:
    """What the agent says; `problem` says that it is not well. One exec."""
    agent = question.agent
    empty = AgentFacts(node=agent.node)
    if not agent.ready:
        return replace(empty, problem=f"its agent `{agent.pod}` is not ready: {agent.state}")
    asked = commands(question)
    if not asked:
        return empty
    lines = list(asked.values())
    try:
        ran = kube.exec(agent.namespace, agent.pod, script(lines), container=AGENT_CONTAINER, timeout=PATIENCE)
    except CiliumctlError as error:
        return replace(empty, lacking=(f"the agent cannot be asked: {error.message}",))
    return read(question, list(asked), answers(ran.text, len(lines), longest=_LONGEST))


def read(question: Question, parts: Sequence[str], said: Sequence[tuple[int, list[str]] | None]) -> AgentFacts:
    """The answers, each by its part."""
    facts = AgentFacts(node=question.agent.node)
    lacking = []
    for part, answer in zip(parts, said, strict=True):
        code, lines = answer if answer is not None else (124, [])
        found = _READERS[part](facts, question, code, lines)
        if found is None:
            lacking.append(f"{_ABOUT[part]}: {_why(code, lines)}")
        else:
            facts = found
    return replace(facts, lacking=tuple(lacking))


def _why(code: int, lines: Sequence[str]) -> str:
    if code == 124:
        return "no answer in time"
    if code in {126, 127}:
        return "the agent's image has no such program"
    return lines[-1][:200] if lines else f"exit code {code}"


def _policy(facts: AgentFacts, _question: Question, code: int, lines: Sequence[str]) -> AgentFacts | None:
    if code:
        return None
    return replace(facts, policy=tuple(entry for line in lines if (entry := row(line)) is not None))


def row(line: str) -> Entry | None:
    """A row of the policy map; `None` for the table's head."""
    found = _ROW.match(f"{line} ")
    if found is None:
        return None
    kind, direction, identity, first, last, protocol = found.groups()
    return Entry(
        allows=kind == "Allow",
        direction=direction.lower(),
        identity=int(identity) if identity.isdigit() else 0,
        port=int(first or 0),
        last=int(last or first or 0),
        protocol=protocol,
    )


def _ipcache(facts: AgentFacts, _question: Question, code: int, lines: Sequence[str]) -> AgentFacts | None:
    text = " ".join(lines)
    found = _MAPS_TO.search(text)
    if found is not None:
        tunnel = found[2] if found[2] not in {"0.0.0.0", "::", "<nil>"} else ""  # noqa: S104 - no address to listen on
        return replace(facts, identity=int(found[1]), tunnel=tunnel)
    return replace(facts, identity=0) if code and "does not map" in text else None


def _frontend(facts: AgentFacts, _question: Question, code: int, lines: Sequence[str]) -> AgentFacts | None:
    """How many backends stand behind the address; slot 0 is the address itself."""
    if code:
        return None
    slots = [int(found[1]) for line in lines if (found := _LB_SLOT.search(line)) and "not found" not in line]
    return replace(facts, frontend=sum(slot > 0 for slot in slots))


def _peer(facts: AgentFacts, question: Question, code: int, lines: Sequence[str]) -> AgentFacts | None:
    text = "\n".join(lines)
    try:
        answer = json.loads(text[text.index("{") :]) if not code else None
    except ValueError:
        return None
    pairs = [pair for pair in health.pairs(answer, facts.node) if pair.target == question.peer]
    return replace(facts, peer=pairs[0].problem) if pairs else None


def _mtu(facts: AgentFacts, _question: Question, code: int, lines: Sequence[str]) -> AgentFacts | None:
    return replace(facts, mtu=int(lines[0])) if not code and lines and lines[0].isdigit() else None


_READERS = {"policy": _policy, "ipcache": _ipcache, "frontend": _frontend, "peer": _peer, "mtu": _mtu}
_ABOUT = {
    "policy": "policy map",
    "ipcache": "ipcache",
    "frontend": "service table",
    "peer": "health probes",
    "mtu": "MTU",
}
