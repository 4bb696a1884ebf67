"""What Hubble saw at the same time: its flows, asked of the agent of the target's node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ciliumctl.agents import AGENT_CONTAINER, by_shell
from ciliumctl.capture.model import Target
from ciliumctl.capture.places import agent_of
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import OutsideError, TimedOut

#: Seconds for one agent.
PATIENCE = 30.0
#: Bytes that are kept of all targets together: flows of several nodes are put in order before they are written.
MOST = 64 * 1024 * 1024
#: Hubble's times are those of when it saw a packet: a moment later than the interface.
_AROUND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time, from the first to the last packet, by the node's clock."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The flows, one line of JSON each; `cut` when there were more than are taken."""

    lines: tuple[str, ...]
    cut: bool = False


def window(first: int, last: int) -> Window:
    """The time between two moments in nanoseconds, and a second around it."""
    begin, end = (datetime.fromtimestamp(moment / 10**9, UTC) for moment in (first, last))
    return Window(since=begin - _AROUND, until=end + _AROUND)


def asking(target: Target, when: Window) -> list[str]:
    """The command that asks: Hubble's own filters, so that only what is wanted travels."""
    words = ["hubble", "observe", "-o", "jsonpb", "--since", _stamp(when.since), "--until", _stamp(when.until)]
    if target.kind == "pod" and not target.host_network:
        words += ["--pod", f"{target.namespace}/{target.name}"]
    return words


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ask(kube: Kube, target: Target, when: Window, namespace: str, most: int = MOST) -> Flows:
    """Ask the agent on the target's node. Two requests; `most` bytes are taken.

    Raises:
        ClusterError: it cannot be asked. OutsideError: there is no agent, or Hubble does not answer with flows.
    """
    agent = agent_of(kube, target.node, namespace)
    if agent is None:
        raise OutsideError(f"no agent of Cilium is ready on node `{target.node}`")
    out, said = bytearray(), bytearray()
    command = by_shell(asking(target, when))
    with kube.open_exec(agent.namespace, agent.pod, command, container=AGENT_CONTAINER) as running:
        try:
            for channel, piece in running.frames(kube.deadline.within(PATIENCE)):
                if channel == "stdout":
                    out += piece
                elif len(said) < 64 * 1024:
                    said += piece
                if len(out) > most:
                    return _read(out, cut=True)
        except TimedOut:
            raise OutsideError(f"Hubble did not answer within {PATIENCE:.0f} s") from None
        code = running.exit_code
    if code:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {code}"]
        raise OutsideError(f"Hubble did not answer: {last[0]}")
    return _read(out, cut=False)


def _read(out: bytearray, *, cut: bool) -> Flows:
    """The lines that are flows. Raises `OutsideError` for what is something else."""
    lines = [line for line in out.decode("utf-8", "replace").splitlines() if line.strip()]
    if cut:
        lines = lines[:-1]
    for line in lines:
        try:
            flow = json.loads(line)
        except ValueError:
            flow = None
        if not isinstance(flow, dict):
            raise OutsideError(f"Hubble did not answer with flows: {line[:200]}")
    return Flows(lines=tuple(lines), cut=cut)


def by_time(line: str) -> str:
    """What flows of several nodes are put in order by; those without a time (lost events) come first."""
    found = json.loads(line)
    return str(found.get("time") or "")
