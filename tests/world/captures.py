"""tcpdump in the pods of the API server in this process: what `templates/capture/capture.sh` says, without a shell."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.world.cluster import FakeCluster
from tests.world.execs import Answer, Call

SAID = "tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n"


@dataclass
class Tcpdump:
    """What each pod's tcpdump captures, by the pod's name, and how it ends."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: What it says of a filter that it does not take.
    refuses: str = ""
    #: Pods whose tcpdump does not begin.
    broken: tuple[str, ...] = ()
    dropped: int = 0
    code: int = 124
    full: bool = False
    #: Whether the agents' images have one.
    agents: bool = True
    #: How many reads are cut after a few bytes, and how many are refused before that.
    cuts: int = 0
    down: int = 0
    #: Whether nobody may see how a capture goes on.
    blind: bool = False
    #: What Hubble answers in the agents; none when empty.
    flows: str = ""
    #: At which all streams meet before they say anything.
    meeting: threading.Barrier | None = None
    #: The words of each script, and of each program, that was run.
    works: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        """Answer one command."""
        words = list(call.command)
        if "ciliumctl-capture" in words:
            work, _folder, *rest = words[words.index("ciliumctl-capture") + 1 :]
            self.works.append((call.pod, work, *rest))
            return self._script(call.pod, work, rest)
        self.works.append((call.pod, *(words[4:] if words[:1] == ["sh"] else words)))
        if "hubble" in words:
            return Answer(stdout=self.flows) if self.flows else Answer(stderr="connection refused\n", code=1)
        if "tcpdump" in words:
            return Answer(stdout="tcpdump version 4.99\n") if self.agents else Answer(code=127)
        if "get" in words and "endpoint" in words:
            return Answer(stdout='[{"status": {"networking": {"interface-name": "lxc1234"}}}]')
        return Answer()

    def _script(self, pod: str, work: str, rest: list[str]) -> Answer:
        data = self.files.get(pod, b"")
        counts = f"5 packets captured\n7 packets received by filter\n{self.dropped} packets dropped by kernel\n"
        if work == "check" and self.refuses:
            return Answer(stderr=f"tcpdump: {self.refuses}\n", code=1)
        if work == "begin" and pod in self.broken:
            return Answer(stderr="tcpdump: eth0: That device is not up\n", code=1)
        if work == "watch":
            full = "full\n" if self.full else ""
            end = f"size 24\nsize {len(data)}\n{full}end {self.code} {len(data)}\n"
            return Answer(stdout=end, stderr=SAID + counts, status=403 if self.blind else 101)
        if work == "stream":
            if self.meeting is not None:
                self.meeting.wait(30)
            return Answer(stdout=data, stderr=SAID + counts, code=self.code)
        if work == "fetch":
            return self._fetch(data[int(rest[0]) :])
        if work == "find":
            return Answer(stdout="4711\n")
        return Answer()

    def _fetch(self, left: bytes) -> Answer:
        if self.down:
            self.down -= 1
            return Answer(status=503, stderr="the server is starting")
        if self.cuts:
            self.cuts -= 1
            return Answer(stdout=left[:40], cut=True)
        return Answer(stdout=left)


def captures(cluster: FakeCluster, **files: bytes) -> Tcpdump:
    """Let the pods of a cluster capture these files."""
    program = Tcpdump(files={name.replace("_", "-"): data for name, data in files.items()})
    cluster.program = program
    return program
