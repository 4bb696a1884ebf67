"""Install Cilium with Helm.

What kind of cluster it is decides on some values; `ciliumctl detect` shows which and why. Yours always win, in Helm's
order: presets, --values files, --set-json, --set, --set-string, --set-file.
A cluster that has Cilium as asked for is left alone; one that has another CNI is refused. Before anything is changed
the checks of `ciliumctl preflight` run: what they find is told, and what would break is refused.

Examples:
  ciliumctl install --version 1.15.6 --wait
  ciliumctl install -n cilium -f values.yaml --set hubble.relay.enabled=true
  ciliumctl install --preset hubble --atomic --timeout 10m
  ciliumctl install --dry-run=server > manifest.yaml
  ciliumctl install --export manifests --version 1.20.0     without any cluster
  ciliumctl install --export argocd -f values.yaml > application.yaml
  ciliumctl install --export kustomize -n cilium --output-dir clusters/prod/cilium
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.arguments import Arguments
from ciliumctl.cli.commands import _checking, _exporting, _installing
from ciliumctl.cli.commands.status import show as show_status
from ciliumctl.cli.options import ChartOptions, ValuesOptions, choice, duration, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.export import Exported
    from ciliumctl.installation import Installed

KIND = "Installation"


# As kubectl and Helm have it: `--dry-run` alone asks no server.
ARGUMENTS = Arguments(bare={"--dry-run": "client"})


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: no)")] = False,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest time (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
    atomic: Annotated[
        bool, option("--atomic", help="Wait, and take everything back when it does not get healthy")
    ] = False,
    dry_run: Annotated[
        str,
        choice(
            "none",
            "client",
            "server",
            flags=("--dry-run",),
            help="Print the manifest and change nothing (default: none; client without a word)",
        ),
    ] = "none",
    export: Annotated[
        str,
        choice(
            "none",
            "argocd",
            "flux",
            "kustomize",
            "manifests",
            "values",
            flags=("--export",),
            help="Print what another tool is to be given, without asking any cluster (default: none)",
        ),
    ] = "none",
    output_dir: Annotated[
        Path | None, option("--output-dir", metavar="DIR", help="Write what --export makes into a folder")
    ] = None,
    export_namespace: Annotated[
        bool,
        option(
            "--export-namespace/--no-export-namespace",
            help="With --export: the Namespace, too, where no cluster has it by itself (default: yes)",
        ),
    ] = True,
    kubernetes_version: Annotated[
        str, option("--kubernetes-version", metavar="VERSION", help="What --export renders for (default: 1.34.0)")
    ] = "1.34.0",
    autodetect: Annotated[
        bool, option("--autodetect/--no-autodetect", help="Let the kind of cluster decide on values (default: yes)")
    ] = True,
    translate_values: Annotated[
        bool, option("--translate-values", help="Translate values of older charts instead of refusing them")
    ] = False,
    skip_preflight: Annotated[
        list[str] | None,
        option("--skip-preflight", metavar="ID", help="Go on although this check fails, or `all`; repeatable"),
    ] = None,
    take_ownership: Annotated[
        bool,
        option("--take-ownership", help="Make a Cilium that `kubectl apply` made part of the Helm release"),
    ] = False,
) -> None:
    """Install, or only show what would be installed."""
    from ciliumctl import installation
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    checks = _checking.choice(session, skip=skip_preflight)
    if take_ownership and atomic:
        raise UsageError(
            "`--atomic` would remove the Cilium that `--take-ownership` takes over", hint="leave one of them out"
        )
    _exporting.check(export, output_dir, namespace=export_namespace)
    deadline = session.deadline(wait_duration)
    wanted = _installing.wanted(
        session,
        which,
        given,
        detect=autodetect,
        translate=translate_values,
        take_over=take_ownership,
    )
    means = _installing.means(session)
    with _installing.scratch() as folder:
        if export != "none":
            plan = installation.offline(wanted, means, folder)
            _exporting.finish(
                session,
                export,
                plan,
                means,
                kubernetes_version=kubernetes_version,
                folder=output_dir,
                namespace=export_namespace,
                render=show_files,
            )
        plan = installation.prepare(wanted, session.kube, means, _installing.storage(session), folder)
        if dry_run != "none":
            result = installation.dry_run(plan, session.kube, means, server=dry_run == "server")
            session.finish(result, lambda out, found: out.text(found.manifest))
        how = installation.How(
            holder=session.holder("install"),
            consent=lambda what: session.confirm(
                f"{what} Do it?", refusal=f"the installation needs this: {what.removesuffix('.')}"
            ),
            deadline=deadline,
            where=_installing.where(session),
            wait=wait,
            atomic=atomic,
            gate=_checking.gate(session, checks),
        )
        result = installation.install(plan, session.kube, means, how)
    late = installation.late(result, deadline)
    if late is not None:
        session.fail(late, result, render)
    session.finish(result, render, then="" if wait else "status --wait")


def show_files(out: Writer, result: Exported) -> None:
    """What another tool is to be given."""
    _exporting.show(out, result)


def render(out: Writer, result: Installed) -> None:
    """Say what there is now, and what to do next."""
    done = {
        "installed": "installed",
        "continued": "installed",
        "unchanged": "unchanged",
        "taken-back": "did not become healthy and was taken back",
    }[result.outcome]
    where = f"namespace {result.namespace} of {result.context}"
    out.line(f"Cilium {result.version} {done} in {where}, release {result.release} revision {result.revision}")
    if result.status is not None:
        out.line()
        show_status(out, result.status)
