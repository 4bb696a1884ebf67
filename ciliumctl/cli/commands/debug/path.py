"""Say where it breaks between here and there: every hop looked at, then tried.

SRC and DST are `pod/NAME`, `pod/NAMESPACE/NAME`, `deploy/NAME` (`ds`, `sts`, `rs`, `job`), `svc/NAME`, `node/NAME`, an
address, or `world`; DST may be a name, too, and ends with `:PORT` or `:PORT/udp`.

Looks at both ends, the service and its backends, identities, the policies of Kubernetes and Cilium in both directions
with the rule that decides, both nodes, their agents and the way between them. Then tries to connect from SRC: in its
own container where that has bash, Python or netcat, else in an ephemeral container beside it, which stays in the pod's
spec; `--no-probe` leaves that out. The first broken hop is named. With other CNIs, or without rights, hops are
skipped, with the reason.

Exit codes: 0 it gets through, or nothing that was looked at stops it, 1 a hop is broken.

Examples:
  ciliumctl debug path pod/web-0 svc/db:5432 -n shop
  ciliumctl debug path deploy/shop/web 192.0.2.7:53/udp --no-probe
  ciliumctl debug path pod/shop/web-0 db.shop.svc -o json | jq -r .data.broken
  ciliumctl debug path node/worker-1 pod/shop/db-0:5432 --mermaid > path.mmd
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import PodNamespace, argument, option
from ciliumctl.cli.output import Cell, Render, Writer

if TYPE_CHECKING:
    from ciliumctl.paths import Path

KIND = "Path"
_SECONDS = 180.0
_SIGNS: dict[str, Cell] = {"ok": ("✔ ", "good"), "warn": ("⚠ ", "warn"), "fail": ("✗ ", "bad"), "skip": ("• ", "dim")}


def command(
    ctx: typer.Context,
    *,
    source: Annotated[str, argument(metavar="SRC", help="Who asks")],
    destination: Annotated[str, argument(metavar="DST[:PORT[/PROTO]]", help="Who is asked")],
    namespace: PodNamespace = "",
    no_probe: Annotated[bool, option("--no-probe", help="Only look, do not try")] = False,
    guest: Annotated[bool, option("--guest", help="Try from a container of ours, whatever SRC's own has")] = False,
    image: Annotated[str, option("--image", metavar="REF", help="Image of that container, with bash in it")] = "",
    mermaid: Annotated[bool, option("--mermaid", help="Print a Mermaid flowchart")] = False,
) -> None:
    """Look, try, say where it breaks."""
    from ciliumctl import paths
    from ciliumctl.errors import UsageError
    from ciliumctl.guests import How

    session = session_of(ctx)
    session.allow("name", "wide")
    if no_probe and (guest or image):
        raise UsageError("with `--no-probe` nothing is put beside the source", hint="leave one of the two out")
    if mermaid and session.settings.output in {"json", "yaml", "name"}:
        raise UsageError("`--mermaid` is a format of its own", hint="leave `-o` out")
    place = namespace or session.kube.namespace
    wanted = paths.Wanted(
        namespace=session.settings.namespace,
        source=paths.parse(source, place),
        destination=paths.parse(destination, place, with_port=True),
        probe=not no_probe,
        guest=guest or bool(image),
        how=How(image=image, profile="restricted", ttl=600.0, purpose="path", owner=session.who),
    )
    session.deadline(_SECONDS)
    result = paths.run(session.kube, wanted, session.report)
    session.finish(result, _draw if mermaid else _render(wide=session.settings.output == "wide"))


def _draw(out: Writer, result: Path) -> None:
    from ciliumctl import paths

    out.text(paths.drawn(result))


def _render(*, wide: bool) -> Render:
    def show(out: Writer, result: Path) -> None:
        for stage in result.stages:
            code: tuple[Cell, ...] = ((f" {stage.code}", "dim"),) if stage.code else ()
            out.line(_SIGNS[stage.outcome], (f"{stage.title}: ", "head"), stage.message, *code)
            if wide or stage.outcome in {"fail", "warn"}:
                for line in stage.evidence:
                    out.line("    ", (line, "dim"))
            if stage.hint:
                out.hint(stage.hint, indent="    ")
        out.line()
        out.line((result.verdict, "good" if result.ok else "bad"))

    return show
