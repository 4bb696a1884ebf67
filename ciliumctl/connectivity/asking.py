"""What the agent of a node can tell about a path: routes, rules and Hubble's flows, in one exec.

Bounded in time and size: evidence must never cost more than the test.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ciliumctl.agents import AGENT_CONTAINER
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, TimedOut
from ciliumctl.parallel import gather

#: Seconds for one agent, and flows that are told of it.
PATIENCE = 5.0
FLOWS = 8
_SECONDS = 2
_BYTES = 64 * 1024
_LONGEST = 240
_ADDRESSES = 6
_RULES = 6
_MARK = re.compile(r"^@@(\d+) (\d+)$", re.MULTILINE)
# What stands between the two ends of a flow; hubble says other things, too.
_FLOW = re.compile(r"\s(?:->|<-|<>)\s")
# What the kernel has by itself; Cilium moves the rule for `local` to 100.
_DEFAULT_RULE = re.compile(r"^\d+:\s+from all lookup (?:local|main|default)\s*(?:proto kernel)?\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to ask the agent of one node: routes to `addresses`, flows of `pods` (`namespace/name`) since `seconds`.

    Without `pods` Hubble is not asked.
    """

    node: str
    agent: str
    addresses: tuple[str, ...]
    pods: tuple[str, ...] = ()
    seconds: int = 0


def commands(asked: Asked) -> list[list[str]]:
    """The commands of one agent. What is no address is no argument of a command."""
    routed = [address for address in dict.fromkeys(asked.addresses) if _family(address)][:_ADDRESSES]
    found = [["ip", _family(address), "-o", "route", "get", address] for address in routed]
    found += [["ip", family, "rule"] for family in sorted({_family(address) for address in routed})]
    if asked.pods:
        pods = [word for pod in asked.pods for word in ("--pod", pod)]
        observe = ["hubble", "observe", "--since", f"{asked.seconds}s", "--last", str(FLOWS), "-o", "compact", *pods]
        found += [[*observe, "--verdict", "DROPPED"], observe]
    return found


def _family(address: str) -> str:
    try:
        return f"-{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def script(lines: Sequence[Sequence[str]]) -> list[str]:
    """The command that runs all of them, one after the other, each marked with its number and its exit code.

    As few processes as can be: a node in trouble starts them slowly.
    """
    text = ['run() { n=$1; shift; o=$("$@" 2>&1); echo "@@$n $?"; printf \'%s\\n\\n\' "$o"; }']
    for number, line in enumerate(lines):
        bounded = line if line[0] == "ip" else ["timeout", str(_SECONDS), *line]
        text.append(f"run {number} {shlex.join(bounded)}")
    return ["sh", "-c", "\n".join(text)]


def answers(output: str, count: int, *, longest: int = _LONGEST) -> list[tuple[int, list[str]] | None]:
    """Each command's exit code and lines, by its number; `None` for one of which nothing came."""
    found: list[tuple[int, list[str]] | None] = [None] * count
    parts = _MARK.split(output)[1:]
    for number, code, said in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if int(number) < count:
            found[int(number)] = int(code), [line.strip()[:longest] for line in said.splitlines() if line.strip()]
    return found


def ask(kube: Kube, namespace: str, all_of_them: Sequence[Asked]) -> list[str]:
    """Ask the agents, all at the same time. Lines that begin with what they are; one for each that cannot answer."""
    found = gather([partial(_ask, kube, namespace, asked) for asked in all_of_them])
    paths: list[str] = []
    flows: list[tuple[bool, str]] = []
    failed: list[str] = []
    for asked, said in zip(all_of_them, found, strict=True):
        if isinstance(said, CiliumctlError):
            failed.append(f"could not ask the agent on {asked.node}: {said.message}")
        elif isinstance(said, Exception):
            raise said
        else:
            paths += said.paths
            flows += said.flows
            failed += said.failed
    flows.sort(key=lambda flow: not flow[0])
    return [*paths, *(line for _dropped, line in flows[:FLOWS]), *failed]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An agent's answer: routes and rules, flows with whether they were dropped, what it could not answer."""

    paths: list[str]
    flows: list[tuple[bool, str]]
    failed: list[str]


def _ask(kube: Kube, namespace: str, asked: Asked) -> _Said:
    lines = commands(asked)
    said = bytearray()
    with kube.open_exec(namespace, asked.agent, script(lines), container=AGENT_CONTAINER) as running:
        try:
            for _channel, piece in running.frames(kube.deadline.within(PATIENCE)):
                said += piece
                if len(said) > _BYTES:
                    break
        except TimedOut:
            # What was said until then counts.
            if not said:
                raise
    return read(asked, lines, answers(said.decode("utf-8", "replace"), len(lines)))


def read(asked: Asked, lines: Sequence[Sequence[str]], said: Sequence[tuple[int, list[str]] | None]) -> _Said:
    """The answers as lines for people."""
    found = _Said(paths=[], flows=[], failed=[])
    seen: set[str] = set()
    for line, answer in zip(lines, said, strict=True):
        code, words = answer if answer is not None else (124, [])
        hubble = line[0] == "hubble"
        if code in {124, 126, 127} or (hubble and code):
            found.failed.append(
                f"could not ask {'Hubble' if hubble else f'`{line[0]}`'} on {asked.node}: {_why(code, words)}"
            )
        elif hubble:
            fresh = [word for word in words if word not in seen]
            seen.update(fresh)
            found.flows.extend(_flow(asked.node, word) for word in fresh)
        elif "rule" in line:
            rules = [word for word in words if not _DEFAULT_RULE.match(word)]
            found.paths.extend(f"rule on {asked.node}: IPv{line[1][1:]} {_plain(rule)}" for rule in rules[:_RULES])
        else:
            found.paths.append(f"route on {asked.node} to {line[-1]}: {_route(words)}")
    found.failed[:] = dict.fromkeys(found.failed)
    return found


def _flow(node: str, line: str) -> tuple[bool, str]:
    """A line of hubble with whether it tells of a drop; what is no flow is told as what Hubble says."""
    if not _FLOW.search(line):
        return False, f"Hubble on {node} says: {line}"
    return "DROPPED" in line, f"flow seen on {node}: {line}"


def _plain(text: str) -> str:
    return " ".join(text.replace("\\", " ").split())


def _route(words: Sequence[str]) -> str:
    """The kernel's answer without the address that was asked for, which stands before it."""
    if not words:
        return "no answer"
    text = _plain(words[0])
    return re.sub(r"^(?:local )?\S+ (?=via |dev |from )", lambda found: "local " * ("local" in found[0]), text)


def _why(code: int, words: Sequence[str]) -> str:
    if code == 124:
        return "no answer in time"
    if code in {126, 127}:
        return "the agent's image has no such program"
    return words[-1] if words else f"exit code {code}"
