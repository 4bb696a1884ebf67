"""The ways in which `hubble observe` gets at flows: from agents, from the relay, from a file; once, or following."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ciliumctl.cli.commands.hubble import _flows
from ciliumctl.cli.output import Render
from ciliumctl.errors import BadFile, CiliumctlError, Partial, Terminated, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.commands.hubble._flows import Form
    from ciliumctl.cli.session import Session
    from ciliumctl.hubble.flow import Flow
    from ciliumctl.hubble.observing import Flows, Question

_SECONDS = 120.0
_ENVELOPES = frozenset({"json", "yaml"})


def run(
    session: Session, question: Question, form: Form, *, via: str, input_file: str, explain: bool, render: Render
) -> NoReturn:
    """Do what the options say, and end."""
    if question.window.follow and form.output not in {"compact", "dict", "jsonpb"}:
        raise UsageError(
            f"`-o {form.output}` has to wait for the last flow, and `--follow` has none",
            hint="use `-o compact`, `-o dict` or `-o jsonpb`",
        )
    if explain:
        _explain(session, question, input_file, render)
    if input_file:
        _from_file(session, question, form, input_file)
    if via == "relay":
        _ask_relay(session, question, form)
    if question.window.follow:
        _follow(session, question, form)
    _once(session, question, form)


def _explain(session: Session, question: Question, input_file: str, render: Render) -> NoReturn:
    from ciliumctl.hubble import observing

    if input_file:
        raise UsageError("`--explain` is about agents, and `--input-file` asks none")
    if session.settings.output not in {"table", *_ENVELOPES}:
        raise UsageError(f"`--explain` has no `-o {session.settings.output}` output", hint="use table, json or yaml")
    session.deadline(_SECONDS)
    session.finish(observing.explain(session.kube, question), render)


def _once(session: Session, question: Question, form: Form) -> NoReturn:
    from ciliumctl.hubble import observing

    session.deadline(_SECONDS)
    found = observing.observed(session.kube, question, session.report)
    _show(session, form, found, lambda about: observing.partial_error(about.unanswered, len(about.nodes)))


def _show(
    session: Session,
    form: Form,
    observed: AbstractContextManager[tuple[Iterator[Flow], Flows]],
    error: Callable[[Flows], CiliumctlError | None],
) -> NoReturn:
    """Write what was found, and end: with `error`, when that says that nodes are missing."""
    with observed as (flows, about):
        result = about
        if form.output == "json":
            _flows.stream(about, flows, error(about))
        elif form.output == "yaml":
            result = replace(about, flows=tuple(flow.raw for flow in _flows.bounded(flows, "yaml")))
        elif not _flows.write(session, flows, form) and result.ok:
            session.report.note("no flow fits")
    failed = error(result)
    if form.output == "json":
        if failed is not None:
            session.explain(failed)
        raise typer.Exit(failed.exit_code if failed is not None else 0 if result.ok else 1)
    if form.output == "yaml":
        if failed is not None:
            session.fail(failed, result, _flows.nothing)
        session.finish(result, _flows.nothing)
    if failed is not None:
        raise failed
    raise typer.Exit(0)


def _ask_relay(session: Session, question: Question, form: Form) -> NoReturn:
    """Through the hubble program of this machine; in follow mode until Ctrl-C."""
    from ciliumctl.hubble import relaying
    from ciliumctl.hubble.asking import Answers

    if question.reach.all_nodes or question.reach.most:
        raise UsageError("the relay asks every node: `--all-nodes` and `--max-nodes` are for `--via agents`")
    program = relaying.program(session.cache / "bin", session.environ)
    session.deadline(0 if question.window.follow else _SECONDS)
    if not question.window.follow:
        observed = relaying.observed(session.kube, question, program, session.report)
        _show(session, form, observed, relaying.incomplete)
    with (
        suppress(KeyboardInterrupt, Terminated),
        relaying.flows(session.kube, question, program, session.report, Answers()) as flows,
    ):
        _flows.write(session, flows, form)
    raise typer.Exit(0)


def _follow(session: Session, question: Question, form: Form) -> NoReturn:
    """Until Ctrl-C or SIGTERM, the normal end, or `--timeout`."""
    from ciliumctl.hubble.following import Following

    session.deadline(0)
    following = Following(session.kube, question, session.report)
    try:
        following.start()
        _flows.write(session, following.flows(), form)
    except (KeyboardInterrupt, Terminated):
        pass
    finally:
        following.close()
    if following.silent:
        names = ", ".join(sorted(following.silent)[:5])
        raise Partial(
            f"{len(following.silent)} of {len(following.nodes)} nodes were silent at the end: {names}",
            hint="`ciliumctl status` shows how the agents are",
        )
    raise typer.Exit(0)


def _from_file(session: Session, question: Question, form: Form, name: str) -> NoReturn:
    from ciliumctl.hubble import observing

    with _lines(name) as lines:
        flows = observing.from_lines(lines, question.filters, question.window, name)
        if form.output in _ENVELOPES:
            # Not as they come: a line that is no flow must not come after half an envelope.
            held = tuple(flow.raw for flow in _flows.bounded(flows, form.output))
            found = observing.Flows(flows=held, nodes=())
            session.finish(found, _flows.nothing)
        if not _flows.write(session, flows, form):
            session.report.note("no flow fits")
    raise typer.Exit(0)


@contextmanager
def _lines(name: str) -> Iterator[Iterable[str]]:
    if name == "-":
        yield sys.stdin
        return
    try:
        file = Path(name).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
    except OSError as error:
        raise BadFile(f"`{name}` cannot be read: {error.strerror}") from error
    with file:
        yield file
