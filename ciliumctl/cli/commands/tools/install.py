"""Install the official Cilium CLI, the Hubble CLI, Helm and other programs, verified.

The published file is downloaded, or taken from this machine with --file, and compared with its checksum; only the
program is unpacked, and put in place at once. When anything is wrong, what was there before stays. Where the official
site cannot be reached, a Go toolchain builds the program of the version that ciliumctl knows.

A mirror, in --base-url or CILIUMCTL_CILIUM_BASE_URL (_HELM_, _HUBBLE_ …), stands for everything before
/VERSION/FILE in the official address.

Examples:
  ciliumctl tools install cilium
  ciliumctl tools install helm --dir ~/.local/bin
  ciliumctl tools install hubble --os darwin --arch arm64 --dir .
  ciliumctl tools install cilium --version 0.18.3 --base-url https://mirror.example/cilium-cli
  ciliumctl tools install helm --file helm-v3.22.0-linux-amd64.tar.gz
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import argument, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.tools.placing import Placed

#: Seconds; the largest file has 180 MB.
_LIMIT = 1800.0

KIND = "ToolsInstall"


def command(
    ctx: typer.Context,
    name: Annotated[str, argument(metavar="TOOL", help="cilium, hubble, helm or another of `tools list`")],
    *,
    version: Annotated[
        str, option("--version", metavar="VERSION", help="Version (default: the stable one, else the one known)")
    ] = "",
    dir: Annotated[
        Path | None, option("--dir", metavar="DIR", help="Folder (default: /usr/local/bin, else ~/.local/bin)")
    ] = None,
    os: Annotated[str, option("--os", metavar="OS", help="linux, darwin or windows (default: this one)")] = "",
    arch: Annotated[str, option("--arch", metavar="ARCH", help="amd64 or arm64 (default: this one)")] = "",
    base_url: Annotated[str, option("--base-url", metavar="URL", help="Mirror (default: the official site)")] = "",
    file: Annotated[Path | None, option("--file", metavar="FILE", help="Take this file instead of a download")] = None,
    checksum: Annotated[
        str, option("--checksum", metavar="SHA256|FILE", help="What --file must match (default: known, or beside it)")
    ] = "",
    force: Annotated[bool, option("--force", help="Install again what is there in the same version")] = False,
) -> None:
    """Install it."""
    from ciliumctl import tools
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    session.deadline(_LIMIT)
    session.report.resume = "nothing was installed; run it again, the download goes on where it stopped"
    if checksum and file is None:
        raise UsageError("`--checksum` belongs to `--file`", hint="leave it out: a download is always verified")
    tool = tools.tool(name)
    where = tools.platform_of(os, arch)
    foreign = where != tools.platform_of("", "")
    result = tools.place(
        tools.Source(
            tool=tool,
            where=where,
            version=version,
            base=base_url or tool.base_from(session.environ),
            file=file.expanduser() if file else None,
            checksum=checksum,
        ),
        (dir or (Path() if foreign else tools.default_folder(session.environ))).expanduser(),
        web=session.web,
        cache=session.cache / "bin",
        environ=session.environ,
        report=session.report,
        force=force,
    )
    session.finish(result, render)


def render(out: Writer, result: Placed) -> None:
    """What is where, and what to add to PATH."""
    name = f"{result.tool} {result.version}".rstrip()
    if result.outcome == "unchanged":
        out.line(f"{name} is in {result.path} already")
    else:
        instead = f", instead of {result.before}" if result.before and result.before != result.version else ""
        out.line(f"{name} ({result.platform}) is in {result.path} now{instead}")
        out.line(("checksum: ", "dim"), f"{result.sha256} ({result.against})")
    if result.path_line:
        out.line(f"{result.path.parent} is not on PATH. Add this line to {result.path_file}:")
        out.line(f"  {result.path_line}")
    if result.hidden_by:
        out.line(
            ("but ", "warn"), f"PATH finds {result.hidden_by} first: remove it, or put {result.path.parent} before"
        )
