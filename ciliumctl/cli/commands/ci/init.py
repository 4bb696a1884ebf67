"""Write a pipeline that installs Cilium and tests the network.

It installs ciliumctl in the version pinned, starts a kind cluster without a CNI or takes a given one, installs Cilium,
waits until it is healthy, tests the network and keeps the report as JUnit. Without a file it is printed. A file that is
as wanted is left alone; another one is only replaced with a yes.

What else `install` is to do stands in `.ciliumctl.yaml` in the repository, which the pipeline's commands read; Tekton's
has no repository.

Examples:
  ciliumctl ci init github --output .github/workflows/cilium.yml
  ciliumctl ci init github --cilium-version 1.20.0 --preset hubble --profile full
  ciliumctl ci init gitlab --cluster kubeconfig --output .gitlab-ci.yml
  ciliumctl ci init tekton | kubectl apply -f -
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import Presets, argument, choice, option
from ciliumctl.cli.output import Writer
from ciliumctl.cli.settings import FORMATS, Choice, remember

if TYPE_CHECKING:
    from ciliumctl.pipelines import Pipeline

KIND = "Pipeline"


def _file_or_format(ctx: typer.Context, param: typer.CallbackParam, value: str) -> str:
    """A format's word means here what it means everywhere, `-` is standard output; anything else is the file."""
    if value in FORMATS:
        remember(ctx, param, value)
        return ""
    return "" if value == "-" else value


def command(
    ctx: typer.Context,
    *,
    system: Annotated[
        Any,
        argument(metavar="SYSTEM", help="github, gitlab or tekton", click_type=Choice("github", "gitlab", "tekton")),
    ],
    output: Annotated[
        str,
        option(
            "--output",
            "-o",
            metavar="FILE|FORMAT",
            callback=_file_or_format,
            help="File to write (default and `-`: print it); json, yaml or table: the result's format, as everywhere",
        ),
    ] = "",
    cluster: Annotated[
        str,
        choice(
            "auto",
            "kind",
            "kubeconfig",
            flags=("--cluster",),
            help="A throwaway one by kind, or that of a secret kubeconfig (default: kind; tekton: kubeconfig)",
        ),
    ] = "auto",
    version: Annotated[
        str,
        option(
            "--version", metavar="VERSION|COMMIT", help="ciliumctl to pin, better a full commit (default: this one)"
        ),
    ] = "",
    cilium_version: Annotated[
        str, option("--cilium-version", metavar="VERSION", help="`--version` of `install` (default: its own)")
    ] = "",
    chart: Annotated[str, option("--chart", metavar="CHART", help="`--chart` of `install`")] = "",
    preset: Presets = None,
    profile: Annotated[
        str, choice("smoke", "full", flags=("--profile",), help="What is tested (default: smoke)")
    ] = "smoke",
) -> None:
    """Make it; print or write it."""
    from ciliumctl import __version__, pipelines

    session = session_of(ctx)
    session.allow()
    wanted = pipelines.Wanted(
        system=system,
        ciliumctl=version or __version__,
        cluster=cluster,  # type: ignore[arg-type]
        cilium=cilium_version,
        chart=chart,
        presets=tuple(preset or ()),
        profile=profile,  # type: ignore[arg-type]
    )
    pipeline = pipelines.generate(wanted)
    if output:
        pipeline = pipelines.write(
            pipeline,
            Path(output),
            lambda path: session.confirm(
                f"`{path}` exists and differs. Replace it?",
                refusal=f"`{path}` exists and differs",
                hint="add `--yes` to replace it, or name another file",
            ),
        )
    session.finish(pipeline, render)


def render(out: Writer, result: Pipeline) -> None:
    """The pipeline itself, or what became of its file."""
    if not result.file:
        out.text(result.text)
        return
    out.line((result.outcome, "good" if result.outcome == "written" else ""), f": {result.file}")
    for need in result.needs if result.outcome == "written" else ():
        out.line(("needs: ", "head"), need)
