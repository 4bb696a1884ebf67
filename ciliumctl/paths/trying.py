"""The probe: try to connect from the source itself, with what its container has, or with a guest beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ciliumctl import guests
from ciliumctl.agents import AGENT_CONTAINER, Agent
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import ApiFailed, CiliumctlError, TimedOut
from ciliumctl.guests import How
from ciliumctl.paths.facts import PodFacts, ProbeFacts, Tried
from ciliumctl.report import Reporter

#: Seconds for a connection.
ANSWER = 3
_SLACK = 15.0
#: What the script ends with where the container has no tool.
_NO_TOOL = 69
_MARK = re.compile(r"^@@ (\S+) (\d+) (\d+)$", re.MULTILINE)
_NAME = re.compile(r"^@name (\d+)$", re.MULTILINE)
_REFUSED = re.compile(r"refused", re.IGNORECASE)
_AWAY = re.compile(r"no route to host|unreachable|not permitted|prohibited", re.IGNORECASE)
_UNKNOWN = re.compile(r"not known|bad address|could not resolve|invalid host|can't resolve", re.IGNORECASE)
_ENDED = {124, 137, 143}
_PYTHON = """
import socket, sys
address, port, protocol, seconds = sys.argv[1:5]
found = socket.getaddrinfo(address, int(port))[0]
one = socket.socket(found[0], socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM)
one.settimeout(float(seconds))
try:
    one.connect(found[4])
    if protocol == "UDP":
        one.send(b"\\x124\\1" + b"\\0\\0\\1" + bytes(7) + b"\\0\\2\\0\\1" if port == "53" else b"x")
        one.recv(1)
except socket.timeout:
    sys.exit(28 if protocol == "UDP" else 124)
"""
# A question for the root's name servers: something that whoever serves names answers.
_DNS = r"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x01"
# Addresses are arguments. A shell of any kind; the tool is the first there is of bash, Python and netcat. An exit code
# of 28 is a datagram without an answer.
_SCRIPT = f"""
t=$1 u=$2 n=$3 y=$4; shift 4
asked() {{
  while read -r k v; do [ "$k" = search ] && d=$v; done 2>/dev/null </etc/resolv.conf
  for s in "" $d; do
    o=$(nslookup "$n${{s:+.$s}}" 2>&1) && break
    case $o in *NXDOMAIN*|*"an't find"*) ;; *) break;; esac
  done
  printf '%s\\n' "$o"
}}
if [ -n "$n" ]; then
  if command -v getent >/dev/null 2>&1; then echo "@name 0"; getent ahosts "$n"
  elif command -v nslookup >/dev/null 2>&1; then echo "@name 1"; asked; fi
fi
bash_tcp() {{ timeout "$t" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"; }}
bash_udp() {{ timeout "$((t + 1))" bash -c 'exec 3<>"/dev/udp/$0/$1" || exit
  if [ "$1" = 53 ]; then printf "{_DNS}" >&3; else echo >&3; fi
  read -r -t "$2" -n 1 -u 3; c=$?; [ $c -gt 128 ] && exit 28; exit $c' "$1" "$2" "$t"; }}
python() {{ timeout "$((t + 10))" "$p" -c "$y" "$1" "$2" "$u" "$t"; }}
netcat() {{ timeout "$((t + 1))" nc -z -v -w "$t" "$1" "$2" </dev/null; }}
try=
if command -v timeout >/dev/null 2>&1; then
  if command -v bash >/dev/null 2>&1; then
    if [ "$u" = UDP ]; then try=bash_udp; else try=bash_tcp; fi
  elif p=$(command -v python3 2>/dev/null); then try=python
  elif [ "$u" = TCP ] && command -v nc >/dev/null 2>&1; then try=netcat; fi
fi
[ -n "$try" ] || exit {_NO_TOOL}
echo "@tool $try"
while [ $# -ge 2 ]; do
  (o=$("$try" "$1" "$2" 2>&1); c=$?; printf '@@ %s %s %s\\n%s\\n' "$1" "$2" "$c" "$o") &
  shift 2
done
wait
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is tried. `about` says what it is: the address that was asked for, or a backend of it."""

    about: str
    address: str
    port: int
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What to try: `goals` in their order, after looking up `name` where one is given."""

    goals: tuple[Goal, ...]
    protocol: str = "TCP"
    name: str = ""

    @property
    def command(self) -> list[str]:
        """The command that tries them."""
        pairs = [word for goal in self.goals for word in (goal.address, str(goal.port))]
        return ["sh", "-c", _SCRIPT, "sh", str(ANSWER), self.protocol, self.name, _PYTHON, *pairs]

    @property
    def seconds(self) -> float:
        """How long all of it may take."""
        return _SLACK + ANSWER + 2


def from_pod(kube: Kube, pod: PodFacts, probe: Probe, how: How, report: Reporter, *, guest: bool) -> ProbeFacts:
    """Try from a pod: in its first container, and where that has no tool or `guest` is set, in one beside it."""
    if not guest:
        container = pod.containers[0] if pod.containers else ""
        found = _run(kube, (pod.namespace, pod.name, container), probe.command, probe)
        if found is not None:
            return found
    try:
        with guests.stay(kube, guests.beside(kube, pod.namespace, pod.name, how, report), report) as visitor:
            command = visitor.command(*probe.command)
            found = _run(kube, (visitor.namespace, visitor.pod, visitor.container), command, probe)
    except CiliumctlError as error:
        return ProbeFacts(problem=f"no probe could be put beside the pod: {error.message}")
    return found or ProbeFacts(problem=f"the image `{how.reference}` has no tool for it")


def from_agent(kube: Kube, agent: Agent, probe: Probe) -> ProbeFacts:
    """Try from a node, by its agent, which has the node's network."""
    found = _run(kube, (agent.namespace, agent.pod, AGENT_CONTAINER), probe.command, probe)
    return found or ProbeFacts(problem=f"the agent on `{agent.node}` has no tool for it")


def from_node(kube: Kube, node: str, namespace: str, probe: Probe, how: How, report: Reporter) -> ProbeFacts:
    """Try from a node that has no agent: in a pod with its network."""
    try:
        with guests.stay(kube, guests.on_node(kube, node, how, report, namespace), report) as visitor:
            place = (visitor.namespace, visitor.pod, visitor.container)
            found = _run(kube, place, visitor.command(*probe.command), probe)
    except CiliumctlError as error:
        return ProbeFacts(problem=f"no probe could be put on the node: {error.message}")
    return found or ProbeFacts(problem=f"the image `{how.reference}` has no tool for it")


def _run(kube: Kube, place: tuple[str, str, str], command: Sequence[str], probe: Probe) -> ProbeFacts | None:
    """What came of it; `None` where there is no shell or no tool."""
    namespace, pod, container = place
    try:
        ran = kube.exec(namespace, pod, command, container=container, timeout=probe.seconds)
    except TimedOut as error:
        return ProbeFacts(problem=f"the probe gave no answer: {error.message}")
    except ApiFailed as error:
        if any(words in f"{error.message} {error.detail}" for words in ("no such file", "not found")):
            return None
        return ProbeFacts(problem=f"nothing can be run in `{namespace}/{pod}`: {error.message}")
    except CiliumctlError as error:
        return ProbeFacts(problem=f"nothing can be run in `{namespace}/{pod}`: {error.message}")
    text = ran.text
    if ran.code == _NO_TOOL or "@tool" not in text:
        return None
    return ProbeFacts(
        via=f"container {container} of pod {namespace}/{pod}", tries=tuple(tries(text, probe)), name=names(text)
    )


def tries(text: str, probe: Probe) -> Iterator[Tried]:
    """What the script said of each goal; one of which nothing came got no answer."""
    parts = _MARK.split(text)[1:]
    said = {
        (address, int(port)): (int(code), words.strip())
        for address, port, code, words in zip(*(parts[start::4] for start in range(4)), strict=True)
    }
    for goal in probe.goals:
        code, words = said.get((goal.address, goal.port), (124, ""))
        last = words.splitlines()[-1] if words else ""
        yield Tried(
            about=goal.about,
            address=goal.address,
            port=goal.port,
            outcome=outcome(code, words),
            said=last[:200],
            node=goal.node,
        )


def outcome(code: int, words: str) -> str:
    """`open`, `refused`, `timeout`, `silent` (UDP without an answer), `unreachable`, `no name` or `failed`."""
    if code == 0:
        return "open"
    for pattern, name in ((_REFUSED, "refused"), (_UNKNOWN, "no name"), (_AWAY, "unreachable")):
        if pattern.search(words):
            return name
    if code == 28:
        return "silent"
    return "timeout" if code in _ENDED or "timed out" in words.lower() else "failed"


def names(text: str) -> tuple[str, ...] | None:
    """The addresses that a name had; `None` when nobody looked it up."""
    found = _NAME.search(text)
    if found is None:
        return None
    said = text[found.end() : text.find("@tool", found.end())]
    lines: Iterable[str] = said.splitlines()
    if found[1] == "1":
        # nslookup tells of the server first.
        lines = said.partition("\n\n")[2].splitlines()
    addresses = re.findall(r"(?:^|\s)((?:\d+\.){3}\d+|[0-9a-f]*:[0-9a-f:]+)(?=\s|$)", "\n".join(lines), re.IGNORECASE)
    return tuple(dict.fromkeys(addresses))
