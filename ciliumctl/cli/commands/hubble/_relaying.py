"""`hubble observe --via relay`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NoReturn

import typer

from ciliumctl.cli.commands.hubble import _flows
from ciliumctl.errors import Terminated, UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.commands.hubble._flows import Form
    from ciliumctl.cli.session import Session
    from ciliumctl.hubble.observing import Question

_SECONDS = 120.0


def run(session: Session, question: Question, form: Form) -> NoReturn:
    """Show what the relay tells; in follow mode until Ctrl-C."""
    from ciliumctl.hubble import relaying
    from ciliumctl.hubble.observing import Flows
    from ciliumctl.hubble.ordering import Collected

    if question.reach.all_nodes or question.reach.most:
        raise UsageError("the relay asks every node: `--all-nodes` and `--max-nodes` are for `--via agents`")
    program = relaying.program(session.cache / "bin", session.environ)
    window = question.window
    session.deadline(0 if window.follow else _SECONDS)
    namespace = session.settings.namespace
    with relaying.flows(session.kube, namespace, program, question.words, session.report) as flows:
        if window.follow:
            with contextlib.suppress(KeyboardInterrupt, Terminated):
                _flows.write(session, flows, form)
            raise typer.Exit(0)
        # The relay takes N of each node.
        with Collected(newest=window.newest, oldest=window.first) as collected:
            for flow in flows:
                collected.add(flow.moment, flow.line)
            if form.output in {"json", "yaml"}:
                found = Flows(flows=tuple(flow.raw for flow in collected.flows()), nodes=())
                session.finish(found, _flows.nothing)
            if not _flows.write(session, collected.flows(), form):
                session.report.note("no flow fits")
    raise typer.Exit(0)
