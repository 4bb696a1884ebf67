"""What the commands that can hand an installation to another tool have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from ciliumctl import installation
    from ciliumctl.cli.output import Render, Writer
    from ciliumctl.cli.session import Session
    from ciliumctl.export import Exported, Form


def check(form: str, folder: Path | None, *, namespace: bool = True) -> None:
    """Refuse what is for nothing. Raises `UsageError`."""
    from ciliumctl.errors import UsageError

    if folder is not None and form == "none":
        raise UsageError("`--output-dir` is for what `--export` makes", hint="add `--export`, or leave it out")
    if not namespace and form == "none":
        raise UsageError("`--no-export-namespace` is for what `--export` makes", hint="add `--export`, or leave it out")


def finish(
    session: Session,
    form: str,
    plan: installation.Plan,
    means: installation.Means,
    *,
    kubernetes_version: str,
    folder: Path | None,
    namespace: bool,
    render: Render,
) -> NoReturn:
    """Make the files for the tool, print them or write them into the folder, and end."""
    from ciliumctl import export

    subject = export.Subject(
        chart=plan.chart,
        request=plan.wanted.chart,
        inputs=plan.inputs,
        config=plan.config,
        namespace=plan.wanted.namespace,
        release=plan.wanted.release,
        kube_version=kubernetes_version,
        with_namespace=namespace,
    )
    # `-o json` has a place for each file, as a folder has.
    apart = folder is not None or session.settings.output in {"json", "yaml"}
    made = export.make(cast("Form", form), subject, means, folder=apart)
    if folder is not None:
        made = export.place(
            made,
            folder,
            lambda question: session.confirm(question, refusal=f"`{folder}` has files of these names that differ"),
        )
    session.finish(made, render)


def show(out: Writer, result: Exported) -> None:
    """The files themselves; their names once they are written."""
    if not result.folder:
        out.text(result.text)
        return
    for file in result.files:
        out.line(str(Path(result.folder) / file.name))
