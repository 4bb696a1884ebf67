"""Flows through Hubble's relay: the hubble program of this machine, with a forwarded port to the relay."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ciliumctl import hubble
from ciliumctl.clients.kube import Kube
from ciliumctl.errors import CiliumctlError, Missing, OutsideError, TimedOut
from ciliumctl.hubble import asking
from ciliumctl.hubble.asking import Answers, Unanswered
from ciliumctl.hubble.flow import Away, Flow, Lost, read
from ciliumctl.hubble.observing import Flows, Question, lacking, tell_lost
from ciliumctl.hubble.ordering import Collected
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
def observed(
    kube: Kube, question: Question, hubble_program: Path, report: Reporter
) -> Iterator[tuple[Iterator[Flow], Flows]]:
    """The flows of all nodes in order, and those that the relay had none from.

    Raises as `flows` does.
    """
    window = question.window
    answers = Answers()
    # Of each node the relay takes N.
    with Collected(newest=window.newest, oldest=window.first) as collected:
        with report.step("Asking the relay") as step, flows(kube, question, hubble_program, report, answers) as found:
            for one in found:
                collected.add(one.moment, one.line)
            step.finish(f"{collected.seen} flows")
        tell_lost(answers, report)
        yield collected.flows(), Flows(flows=(), nodes=(), unanswered=tuple(answers.unanswered), lost=answers.lost)


def incomplete(about: Flows) -> CiliumctlError | None:
    """The error of an answer that lacks nodes; `None` when it is whole."""
    if not about.unanswered:
        return None
    return lacking(
        "the relay has no flows of",
        about.unanswered,
        hint="`--via agents` asks them without it; `ciliumctl status` shows how the agents are",
    )


@contextmanager
def flows(
    kube: Kube, question: Question, hubble_program: Path, report: Reporter, answers: Answers
) -> Iterator[Iterator[Flow]]:
    """The flows that the relay tells, as they come; port and program are gone afterwards.

    Of nodes that it gets none from it warns as it hears of them; they and what agents have lost are put into `answers`.

    Raises:
        NotFound: there is no relay. OutsideError: the program failed. TimedOut: it did not end in time.
        ApiFailed: it printed what is no flow.
    """
    namespace = question.reach.namespace
    forwarder = kube.forward(lambda: hubble.relay_target(kube, namespace), address="127.0.0.1", port=0, say=report.note)
    try:
        forwarder.start()
        argv = [str(hubble_program), "observe", "-o", "jsonpb", f"--server=127.0.0.1:{forwarder.port}", *question.words]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        timer = _alarm(kube, process)
        try:
            yield _read(kube, process, report, answers, follow=question.window.follow)
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


def _read(
    kube: Kube, process: subprocess.Popen[bytes], report: Reporter, answers: Answers, *, follow: bool
) -> Iterator[Flow]:
    said = bytearray()

    def listen() -> None:
        for line in process.stderr or ():
            away = _away(line)
            if away is None:
                said.extend(line[: _ERRORS - len(said)])
                continue
            answers.unanswered += [Unanswered(node=node, reason=away.why, code="relay") for node in away.nodes]
            report.warn(f"the relay has no flows of {', '.join(away.nodes)}: {away.why}")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for raw in process.stdout or ():
        line = raw.decode("utf-8", "replace")
        found = asking.parsed(line, "hubble behind the relay") if line.strip() else None
        if isinstance(found, Lost):
            answers.lost[found.node] = answers.lost.get(found.node, 0) + found.events
        elif isinstance(found, Flow):
            yield found
    code = process.wait()
    listener.join(_GRACE)
    # To follow until the time is up is what was asked for.
    if code and not (follow and kube.deadline.passed):
        raise _failed(kube, code, said.decode("utf-8", "replace").strip())


def _away(line: bytes) -> Away | None:
    """What a line of standard error says of nodes: with `-o jsonpb` it is an object, other words are none."""
    try:
        found = read(line.decode("utf-8", "replace"))
    except ValueError:
        return None
    return found if isinstance(found, Away) else None


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
