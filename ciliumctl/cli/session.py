"""One run of the command line: its options, its clients (built when first used), its way of ending."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ciliumctl import defaults
from ciliumctl.cli.output import Render, Result, Writer, plain, wants_color, write_failure, write_result
from ciliumctl.cli.settings import Settings
from ciliumctl.cli.sinks import choose, github_escape
from ciliumctl.errors import CiliumctlError, NeedsConfirmation, UsageError
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline

if TYPE_CHECKING:
    from ciliumctl.clients.helm import Helm
    from ciliumctl.clients.kube import ConnectOptions, Kube
    from ciliumctl.clients.web import Web
    from ciliumctl.lock import Holder

# What a command must repeat to be about the same installation; `tools` and `lab` are about this machine.
_ADDRESS = {"kubeconfig": "--kubeconfig", "context": "--context", "namespace": "-n"}
_OUR_COMMAND = re.compile(r"ciliumctl(?= (?!tools|lab|completion|--help)[a-z])")
# How many `-v` show each request.
_REQUESTS = 2


class Session:
    """What a command needs of the outside; the domain gets its parts, never the session."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self.environ = os.environ if environ is None else environ
        self._deadline = Deadline()

    # Clients

    @cached_property
    def connection(self) -> ConnectOptions:
        """How to reach the cluster, for the API and for Helm alike."""
        from ciliumctl.clients.kube import ConnectOptions

        settings = self.settings
        return ConnectOptions(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            as_user=settings.as_user,
            as_groups=settings.as_group,
            request_timeout=settings.request_timeout,
        )

    @cached_property
    def kube(self) -> Kube:
        """The client for the cluster."""
        from ciliumctl.clients.kube import connect

        kube = connect(self.connection, self.environ)
        kube.deadline = self._deadline
        if self.settings.verbose >= _REQUESTS:
            kube.tell(self.report.note)
        return kube

    @cached_property
    def helm(self) -> Helm:
        """Helm for the same cluster and user; found, or fetched with consent."""
        from ciliumctl import tools
        from ciliumctl.clients.helm import Helm, HelmOptions
        from ciliumctl.clients.kube import kubeconfig_files

        settings = self.settings
        paths = kubeconfig_files(settings.kubeconfig, self.environ)
        found = tools.look_for_helm(explicit=settings.helm, folder=self.cache / "bin", environ=self.environ)
        executable = found or self._fetch_helm()
        options = HelmOptions(
            executable=str(executable),
            kubeconfig=str(paths[0]) if settings.kubeconfig else "",
            context=settings.context,
            as_user=settings.as_user,
            as_groups=settings.as_group,
        )
        # The files as we read them: helm knows no `~`.
        listed = {"KUBECONFIG": os.pathsep.join(map(str, paths))} if paths else {}
        helm = Helm(options, environ={**self.environ, **listed}, deadline=self._deadline)
        if self.settings.verbose >= _REQUESTS:
            helm.trace = self.report.note
        return helm

    def helm_version(self) -> tuple[str, str]:
        """The version and the path of the helm that would be used; empty when there is none."""
        from ciliumctl import tools
        from ciliumctl.clients.helm import checked_version

        found = tools.look_for_helm(explicit=self.settings.helm, folder=self.cache / "bin", environ=self.environ)
        return (checked_version(str(found), self.environ), str(found)) if found else ("", "")

    def _fetch_helm(self) -> Path:
        from ciliumctl import tools

        if not self.environ.get("CI"):
            self.confirm(
                "Helm is not on PATH. Fetch it into ciliumctl's own cache?",
                refusal="helm is needed and not on PATH",
                hint="install it with `ciliumctl tools install helm`, point `--helm` at it, or add `--yes` to fetch it",
            )
        return tools.fetch_helm(self.web, self.cache / "bin", self.report, self.environ)

    @cached_property
    def web(self) -> Web:
        """The client for the web."""
        from ciliumctl.clients.web import Web

        web = Web(ca_file=self.settings.ca_file, environ=self.environ)
        web.deadline = self._deadline
        if self.settings.verbose >= _REQUESTS:
            web.trace = self.report.note
        return web

    @cached_property
    def cache(self) -> Path:
        """The folder of downloads, indexes and labs."""
        override = self.environ.get("CILIUMCTL_CACHE")
        return Path(override) if override else defaults.cache_folder()

    def deadline(self, seconds: float | None) -> Deadline:
        """Start the command's one clock: `--timeout`, else `seconds`."""
        wanted = self.settings.timeout
        self._deadline = Deadline.after(wanted if wanted is not None else seconds)
        for name in ("kube", "web", "helm"):
            if name in self.__dict__:
                getattr(self, name).deadline = self._deadline
        return self._deadline

    # Talking

    @cached_property
    def report(self) -> Reporter:
        """Where progress goes: standard error."""
        settings = self.settings
        return Reporter(
            choose(
                settings.progress,
                quiet=settings.quiet,
                stream=sys.stderr,
                color=wants_color(settings.color, sys.stderr, self.environ),
                environ=self.environ,
            )
        )

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to answer."""
        return not self.settings.no_input and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, *, refusal: str, hint: str = "add `--yes`") -> None:
        """Ask for a yes; raises `NeedsConfirmation` when it does not come."""
        if self.settings.yes:
            return
        if not self.interactive:
            raise NeedsConfirmation(f"{refusal}, and nobody can be asked", hint=hint)
        sys.stderr.write(plain(f"{question} [y/N] ", sys.stderr.encoding))
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise NeedsConfirmation(f"{refusal}, and the answer was no", hint=hint)

    def allow(self, *formats: str) -> None:
        """Refuse an `-o` that this command has no form for."""
        known = ("table", "json", "yaml", *formats)
        if self.settings.output not in known:
            raise UsageError(
                f"this command has no `-o {self.settings.output}` output", hint=f"choose one of {', '.join(known)}"
            )

    @cached_property
    def who(self) -> str:
        """Who we are to the others who use the cluster: a user's name and a machine's."""
        import getpass
        import socket

        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = "somebody"
        return f"{user}@{socket.gethostname()}"

    def holder(self, command: str) -> Holder:
        """Who changes the cluster, for the lock that others meet."""
        from ciliumctl import machine
        from ciliumctl.lock import Holder

        return Holder(
            who=f"{self.who} (process {os.getpid()})",
            command=f"ciliumctl {command}",
            process=machine.here(),
        )

    # Ending

    def close(self) -> None:
        """Close the connections that were opened."""
        if "web" in self.__dict__:
            self.web.close()

    def write(self, result: Result, render: Render) -> None:
        """Write a result to standard output in the wanted format."""
        settings = self.settings
        write_result(
            result,
            render,
            output=settings.output,
            color=settings.color,
            environ=self.environ,
            address=self.addressed,
        )

    def stderr(self) -> Writer:
        """Where text for people goes beside data on standard output."""
        color = wants_color(self.settings.color, sys.stderr, self.environ)
        return Writer(sys.stderr, color=color, address=self.addressed)

    def finish(self, result: Result, render: Render, *, exit_code: int | None = None, then: str = "") -> NoReturn:
        """Write the result and end: with 0 for a yes, 1 for a no, or with `exit_code`. `then` is the next command."""
        self.write(result, render)
        if then and result.ok and not self.settings.quiet and self.settings.output in {"table", "wide"}:
            writer = self.stderr()
            writer.line(("next: ", "head"), self.addressed(f"ciliumctl {then}"))
        raise typer.Exit(exit_code if exit_code is not None else 0 if result.ok else 1)

    def fail(self, error: CiliumctlError, result: Result, render: Render, *, exit_code: int | None = None) -> NoReturn:
        """Write what was reached and why it is not enough, and end with the error's exit code, or with `exit_code`."""
        output = self.settings.output
        if output in {"json", "yaml"}:
            write_failure(result.kind, error, result, output)
        else:
            self.write(result, render)
        self.explain(error)
        raise typer.Exit(error.exit_code if exit_code is None else exit_code)

    def addressed(self, text: str) -> str:
        """A text whose `ciliumctl …` commands name the same cluster and namespace as this run was told to."""
        given = self.settings.given
        flags = [
            f"{flag} {shlex.quote(str(getattr(self.settings, name)))}"
            for name, flag in _ADDRESS.items()
            if name in given and f"{flag} " not in text
        ]
        return _OUR_COMMAND.sub(lambda match: f"{match[0]} {' '.join(flags)}", text) if flags else text

    def explain(self, error: CiliumctlError) -> None:
        """Say on standard error what went wrong and what to do about it."""
        settings = self.settings
        writer = self.stderr()
        writer.line(("error: ", "bad"), error.message)
        if error.hint:
            writer.hint(error.hint)
        if settings.verbose:
            for line in error.detail.splitlines():
                writer.line(("  | ", "dim"), line)
            cause = error.__cause__
            if cause is not None:
                writer.line(("  cause: ", "dim"), f"{type(cause).__name__}: {cause}")
        elif error.detail and error.detail not in error.message:
            writer.line(("  `-v` shows the details", "dim"))
        if self.environ.get("GITHUB_ACTIONS") == "true":
            text = f"{error.message} ({error.hint})" if error.hint else error.message
            sys.stderr.write(f"::error title=ciliumctl::{github_escape(text)}\n")
        sys.stderr.flush()
