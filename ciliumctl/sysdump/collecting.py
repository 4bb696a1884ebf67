"""Collect all of it into one archive, in time, within a size, whatever fails on the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from ciliumctl import __version__
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, Partial, Unreachable
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter, Step
from ciliumctl.sysdump.archive import Archive, writing
from ciliumctl.sysdump.collectors import Collector, plan
from ciliumctl.sysdump.result import Lacking, Piece, Sysdump
from ciliumctl.sysdump.scene import Scene, Wanted, look

#: Files that are read at the same time.
AT_ONCE = 8


def preview(kube: Kube, wanted: Wanted) -> Sysdump:
    """What would be read, and nothing of it. Seven requests, eight for nodes by name.

    Raises:
        ClusterError: the cluster cannot be reached, or does not know us. UsageError: there is no such node.
    """
    scene = look(kube, wanted)
    stages = plan(kube, scene, wanted, kube.deadline)
    return Sysdump(
        context=kube.context,
        file="",
        size=0,
        pieces=tuple(Piece(file=one.file, about=one.about) for stage in stages for one in stage),
        lacking=scene.lacking,
        nodes=scene.nodes,
        all_nodes=len(scene.agents),
        dry_run=True,
    )


def collect(kube: Kube, wanted: Wanted, report: Reporter) -> Sysdump:
    """Read everything and write the archive; what cannot be had is listed in it and in the result.

    Raises:
        ClusterError: the cluster cannot be reached, or does not know us. UsageError: the file cannot be written, or a
            node that was named does not exist.
    """
    began = time.monotonic()
    deadline = kube.deadline.within(wanted.seconds)
    with report.step("Collecting a sysdump") as step, writing(wanted.path, wanted.max_size) as out:
        step("looking at what is there")
        scene = look(kube, wanted)
        stages = plan(kube, scene, wanted, deadline)
        pieces, lacking = _run(out, stages, step)
        lacking = [*scene.lacking, *lacking]
        _tell(out, kube, scene, pieces, lacking)
        step.finish(f"{len(pieces)} files" + (f", {len(lacking)} missing" if lacking else ""))
    return Sysdump(
        context=kube.context,
        file=str(wanted.path),
        size=wanted.path.stat().st_size,
        pieces=tuple(pieces),
        lacking=tuple(lacking),
        nodes=scene.nodes,
        all_nodes=len(scene.agents),
        seconds=time.monotonic() - began,
    )


def partial_error(result: Sysdump) -> Partial | None:
    """The error of a dump that lacks something; `None` when it is whole."""
    if result.ok:
        return None
    count = len(result.lacking)
    return Partial(
        f"the archive was written, and {count} {'part' if count == 1 else 'parts'} could not be had",
        hint="`problems.txt` in it says which, and why",
    )


def _run(out: Archive, stages: Sequence[Sequence[Collector]], step: Step) -> tuple[list[Piece], list[Lacking]]:
    """Run the stages one after the other, what is in each side by side."""
    work = _Work(out, step, sum(map(len, stages)))
    pieces: list[Piece] = []
    lacking: list[Lacking] = []
    for stage in stages:
        found = gather([partial(work.one, collector) for collector in stage], limit=AT_ONCE)
        for collector, result in zip(stage, found, strict=True):
            if isinstance(result, Piece):
                pieces.append(result)
            elif isinstance(result, CiliumctlError):
                lacking.append(Lacking(file=collector.file, about=collector.about, reason=result.message))
            else:
                raise result
    return pieces, lacking


class _Work:
    """What is shared by those that read side by side."""

    def __init__(self, out: Archive, step: Step, total: int) -> None:
        self._out = out
        self._step = step
        self._total = total
        self._done = 0
        self._silent = 0
        self._lock = threading.Lock()

    def one(self, collector: Collector) -> Piece:
        """Read and add one file. Where the API server has gone, the rest is not waited for, one by one."""
        if self._silent >= AT_ONCE:
            raise Unreachable("the API server did not answer any more")
        try:
            text = collector.get()
            self._silent = 0
        except Unreachable:
            with self._lock:
                self._silent += 1
            raise
        finally:
            with self._lock:
                self._done += 1
                self._step.glance(f"{self._done} of {self._total} files", [collector.about])
        return _add(self._out, collector.file, collector.about, text)


def _add(out: Archive, file: str, about: str, text: str) -> Piece:
    return Piece(file=file, about=about, size=out.add(file, text))


def _tell(out: Archive, kube: Kube, scene: Scene, pieces: list[Piece], lacking: Sequence[Lacking]) -> None:
    """Add what tells a reader where he is."""
    if lacking:
        problems = "".join(f"{one.file or one.about}: {one.reason}\n" for one in lacking)
        size = out.add("problems.txt", problems, last=True)
        pieces.append(Piece(file="problems.txt", about="what is missing, and why", size=size))
    size = out.add("summary.json", _summary(kube, scene, pieces, lacking), last=True)
    pieces.append(Piece(file="summary.json", about="when, by what and of what this was made", size=size))


def _summary(kube: Kube, scene: Scene, pieces: Sequence[Piece], lacking: Sequence[Lacking]) -> str:
    said = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"ciliumctl {__version__}",
        "context": kube.context,
        "kubernetes": scene.version,
        "nodes": list(scene.nodes),
        "nodesWithAgent": len(scene.agents),
        "files": [asdict(piece) for piece in pieces],
        "missing": [asdict(one) for one in lacking],
    }
    return json.dumps(said, indent=2) + "\n"
