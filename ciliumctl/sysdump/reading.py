"""Read one piece as text, within a size and within the time. What fails raises, and is told as missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from ciliumctl import cni, release, status, yaml_files
from ciliumctl.agents import AGENT_CONTAINER
from ciliumctl.clients.kube import Kube, Manifest, Resource
from ciliumctl.errors import ApiFailed, TimedOut
from ciliumctl.sysdump import redact
from ciliumctl.sysdump.scene import MEBIBYTE, Scene, Wanted
from ciliumctl.wait import Deadline

#: Bytes of one file before they are packed, and of one log.
MOST = 16 * MEBIBYTE
LOG = 4 * MEBIBYTE
#: Lines of one log: its end tells more than its beginning.
LINES = 20_000
#: Seconds for one command in an agent.
PATIENCE = 30.0
LATE = "the time was up before it was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads from one cluster until a deadline."""

    kube: Kube
    scene: Scene
    deadline: Deadline

    def _in_time(self) -> None:
        if self.deadline.passed:
            raise TimedOut(LATE, hint="raise `--timeout`")

    def table(self, resource: Resource) -> str:
        """A kind as `kubectl get -A` shows it."""
        self._in_time()
        found = self.kube.table(resource, namespaces=resource.namespaced)
        rows = [found.columns, *(tuple(map(str, row)) for row in found.rows)]
        return _cut("".join(f"{line}\n" for line in _aligned([[cell.upper() for cell in rows[0]], *rows[1:]])))

    def objects(self, resource: Resource, namespace: str = "", keep: Callable[[Manifest], bool] | None = None) -> str:
        """Objects as a YAML list, without secrets."""
        self._in_time()
        head = {"apiVersion": resource.api_version, "kind": self.scene.kind_of(resource)}
        found = self.kube.objects(resource, namespace)
        return "".join(self._listed({**head, **one} for one in found if keep is None or keep(one)))

    def _listed(self, objects: Iterator[Manifest]) -> Iterator[str]:
        size = 0
        yield "apiVersion: v1\nkind: List\nitems:\n"
        for one in objects:
            self._in_time()
            shown = redact.manifest(one)
            if shown is None:
                continue
            text = yaml_files.dump([shown])
            size += len(text)
            if size > MOST:
                yield f"# cut off here: more than {MOST // MEBIBYTE} MiB\n"
                return
            yield text

    def cnis(self) -> str:
        """Other CNIs, and what they are seen by."""
        self._in_time()
        return yaml_files.dump([{"name": one.name, "evidence": list(one.evidence)} for one in cni.in_charge(self.kube)])

    def status(self, wanted: Wanted) -> str:
        """Our own view of the installation."""
        self._in_time()
        where = status.Where(namespace=wanted.namespace, release=wanted.release, storage=wanted.storage)
        found = asdict(status.look(self.kube, where))
        return yaml_files.dump(_plain(found))

    def revisions(self, wanted: Wanted) -> str:
        """The release's revisions, from metadata: values may hold secrets."""
        self._in_time()
        found = release.revisions(self.kube, wanted.release, wanted.namespace, wanted.storage)
        return yaml_files.dump([asdict(one) for one in found])

    def command(self, namespace: str, pod: str, line: str) -> str:
        """What a command says in an agent; an exit code other than 0 stands at its end."""
        self._in_time()
        deadline = self.deadline.within(PATIENCE)
        said = bytearray()
        argv = ["sh", "-c", f"exec 2>&1; {line}"]
        with self.kube.open_exec(namespace, pod, argv, container=AGENT_CONTAINER) as running:
            try:
                for _channel, piece in running.frames(deadline):
                    said += piece
                    if len(said) > MOST:
                        return _cut(said.decode("utf-8", "replace"))
            except TimedOut:
                if said:
                    return f"{said.decode('utf-8', 'replace')}\n# no end within {PATIENCE:.0f} s\n"
                raise
            code = running.exit_code
        text = said.decode("utf-8", "replace")
        if code in {126, 127}:
            raise ApiFailed("the agent's image has no such program")
        return text if not code else f"{text}\n# exit code {code}\n"

    def log(self, wanted: Wanted, pod: str, container: str, *, previous: bool) -> str:
        """The end of a log."""
        self._in_time()
        return self.kube.logs(
            wanted.namespace,
            pod,
            container=container,
            tail=LINES,
            previous=previous,
            since=0.0 if previous else wanted.since,
            limit=LOG,
        )


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}\n# cut off here: more than {MOST // MEBIBYTE} MiB\n"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max((len(row[index]) for row in rows if index < len(row)), default=0) for index in range(len(rows[0]))]
    for row in rows:
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()


def _plain(value: object) -> object:
    """What YAML can write: tuples are lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
