"""Flows through Hubble's relay: the hubble program of this machine, with a forwarded port to the relay."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ciliumctl import hubble
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, Missing, OutsideError, TimedOut
from ciliumctl.hubble import asking
from ciliumctl.hubble.flow import Flow, read
from ciliumctl.report import Reporter
from ciliumctl.tools.asking import in_cache, on_path
from ciliumctl.tools.catalogue import tool

_GRACE = 3.0
_ERRORS = 4000


def program(folder: Path, environ: Mapping[str, str]) -> Path:
    """The hubble program on PATH, or in our cache. Raises `Missing`."""
    wanted = tool("hubble")
    found = on_path(wanted, environ) or in_cache(wanted, folder)
    if found is None:
        raise Missing(
            "`--via relay` needs the hubble program, which is not on PATH",
            hint="`ciliumctl tools install hubble` fetches it; `--via agents` needs none",
        )
    return found


@contextmanager
def flows(
    kube: Kube, namespace: str, hubble_program: Path, words: Sequence[str], report: Reporter
) -> Iterator[Iterator[Flow]]:
    """The flows that the relay tells, as they come; port and program are gone afterwards.

    Raises:
        NotFound: there is no relay. OutsideError: the program failed. TimedOut: it did not end in time.
    """
    forwarder = kube.forward(lambda: hubble.relay_target(kube, namespace), address="127.0.0.1", port=0, say=report.note)
    try:
        forwarder.start()
        argv = [str(hubble_program), "observe", "-o", "jsonpb", f"--server=127.0.0.1:{forwarder.port}", *words]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        timer = _alarm(kube, process)
        try:
            yield _read(kube, process)
        finally:
            if timer is not None:
                timer.cancel()
            _end(process)
    finally:
        forwarder.stop()


def _alarm(kube: Kube, process: subprocess.Popen[bytes]) -> threading.Timer | None:
    """Ends the program when the command's time is up: reading from it waits for nothing else."""
    left = kube.deadline.left()
    if left == float("inf"):
        return None
    timer = threading.Timer(left, process.terminate)
    timer.daemon = True
    timer.start()
    return timer


def _read(kube: Kube, process: subprocess.Popen[bytes]) -> Iterator[Flow]:
    said = bytearray()

    def listen() -> None:
        for line in process.stderr or ():
            said.extend(line[: _ERRORS - len(said)])

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for raw in process.stdout or ():
        line = raw.decode("utf-8", "replace")
        if line.strip():
            found = read(line)
            if isinstance(found, Flow):
                yield found
    code = process.wait()
    listener.join(_GRACE)
    if code:
        raise _failed(kube, code, said.decode("utf-8", "replace").strip())


def _failed(kube: Kube, code: int, said: str) -> CiliumctlError:
    if kube.deadline.passed:
        return TimedOut("the relay did not tell its flows in time", hint="ask for less, or raise `--timeout`")
    known = asking.failure("relay", code, said)
    if known.code == "unknown-filter":
        return known
    return OutsideError(
        f"hubble ended with {code} behind the relay: {said.splitlines()[-1] if said else 'it said nothing'}",
        hint="`ciliumctl hubble status` shows how the relay is; `--via agents` asks without it",
        detail=said,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
