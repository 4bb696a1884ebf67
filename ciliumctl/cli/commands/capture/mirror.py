"""Copy a pod's traffic to another pod or to a node, until a time is up.

SOURCE is a pod, TARGET a pod or a node: `pod/NAME`, `pod/NAMESPACE/NAME`, `node/NAME`. The copies arrive at an
interface of their own in the target, `mirror-NAME`, where anything may look at them: they go nowhere from there.

A privileged pod on each of the two nodes does it (one pod for two ends on one node): tc (u32, mirred) at the source's
interface, and VXLAN between the nodes (UDP, port 4790). What the mirror sends never passes the interface that is
mirrored. It is all undone by `capture unmirror`, by `debug cleanup --all`, when the time is up, and when one of the
two pods goes; that this program ends, or is killed, changes nothing. It asks before: --yes answers in scripts.

The copies between nodes are not encrypted, also where Cilium encrypts pods' traffic; that is told.

Exit codes: 0 mirrored, 3 it needs a yes, or is there already, 6 a node cannot do it (what was done is undone).

Examples:
  ciliumctl capture mirror pod/shop/web node/node-2
  ciliumctl capture mirror pod/web pod/tools/analyser --direction ingress --ttl 10m
  ciliumctl capture node/node-2 -i mirror-1a2b3c -w - | wireshark -k -i -
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import ImagePullSecret, PodNamespace, argument, choice, duration, option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.mirrors import Mirror

KIND = "Mirror"
_SECONDS = 300.0


def command(
    ctx: typer.Context,
    source: Annotated[str, argument(metavar="SOURCE", help="The pod whose traffic is copied")],
    target: Annotated[str, argument(metavar="TARGET", help="The pod or node where the copies arrive")],
    *,
    namespace: PodNamespace = "",
    direction: Annotated[
        str, choice("both", "ingress", "egress", flags=("--direction",), help="What the pod gets, sends, or both")
    ] = "both",
    ttl: Annotated[float, duration("--ttl", help="When it ends by itself (default: 1h; 24h at most)")] = 3600.0,
    interface: Annotated[
        str, option("--interface", "-i", metavar="NAME", help="The pod's interface (default: eth0)")
    ] = "eth0",
    vni: Annotated[
        int, option("--vni", metavar="N", min=0, max=2**24 - 1, help="VXLAN network number (default: a free one)")
    ] = 0,
    port: Annotated[
        int, option("--port", metavar="PORT", min=1, max=65535, help="VXLAN's UDP port (default: 4790)")
    ] = 4790,
    image: Annotated[str, option("--image", metavar="REF", help="Image with sh, ip and tc (default: netshoot)")] = "",
    image_pull_secret: ImagePullSecret = "",
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be made, and make nothing")] = False,
) -> None:
    """Look, say, mirror."""
    from ciliumctl import mirrors

    session = session_of(ctx)
    session.allow("name", "wide")
    if not 0 < ttl <= mirrors.LONGEST:
        raise UsageError("a mirror lasts 24 h at most", hint="`--ttl 24h`")
    wanted = mirrors.Wanted(
        source=source,
        target=target,
        namespace=namespace or session.kube.namespace,
        cilium=session.settings.namespace,
        direction=direction,  # type: ignore[arg-type]  # one of the words above
        interface=interface,
        ttl=ttl,
        vni=vni,
        port=port,
        image=image,
        pull_secret=image_pull_secret,
        owner=session.who,
    )
    session.deadline(_SECONDS)
    if dry_run:
        session.finish(mirrors.preview(session.kube, wanted), render)
    made = mirrors.start(session.kube, wanted, session.report, partial(_ask, session))
    session.finish(made, render, then=f"capture {made.target} -i {made.interface} -w mirror.pcap")


def _ask(session: Session, mirror: Mirror) -> None:
    session.confirm(
        f"What goes through {mirror.source} is copied to {mirror.target} until {mirror.expires}. Mirror it?",
        refusal=f"a mirror changes the network of {mirror.source} while it runs",
    )


def render(out: Writer, mirror: Mirror) -> None:
    """What is mirrored to where, until when, and how to end it."""
    if mirror.dry_run:
        for one in mirror.makes:
            out.line(("would create: ", "head"), one)
        return
    out.line(
        ("mirrored: ", "good"), f"{mirror.source} ({mirror.direction}) to {mirror.target}, interface {mirror.interface}"
    )
    if mirror.vni:
        out.line(
            f"by VXLAN {mirror.vni}, UDP port {mirror.port}, from node {mirror.nodes[0]} to node {mirror.nodes[1]}"
        )
    out.line(f"until {mirror.expires}; `ciliumctl capture unmirror {mirror.name}` ends it")
