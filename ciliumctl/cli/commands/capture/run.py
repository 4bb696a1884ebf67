"""Capture packets of pods and nodes with tcpdump, into files or a stream.

TARGET is `pod/NAME`, `pod/NAMESPACE/NAME`, `node/NAME`, or `deploy/NAME` (`ds`, `sts`, `rs`, `job`, `svc`) for all pods
that run. All words after the targets are the filter, in the language of pcap-filter; it is compiled before anything
is captured, and no shell sees it.

tcpdump runs in the first place that can be had, and which one that is, what is created for it and with what rights is
said before: an ephemeral container in the pod, Cilium's agent on the node when it has tcpdump, a pod on the node. All
of it ends by itself when this program is killed, and files are kept where they are written for ten minutes at most.

A capture ends after 60 s (3600 s as a stream, 24 h at most), after 50M of a target, or with Ctrl-C, which keeps what
there is. Into a file, Hubble's flows of the same time come beside it, as FILE.hubble.json; where Hubble does not
answer, that is told. Packets and flows may hold secrets: files are for their owner's eyes only.

Exit codes: 0 captured, 7 some targets or the flows that were asked for are missing, 130 Ctrl-C came before the end.

Examples:
  ciliumctl capture pod/web
  ciliumctl capture pod/shop/web 'tcp port 80' -w web.pcap --duration 2m --packets 1000
  ciliumctl capture -l app=web -w captures/
  ciliumctl capture deploy/web node/node-1 --merge -w all.pcapng
  ciliumctl capture pod/web -w - | wireshark -k -i -
  ciliumctl capture pod/web --dry-run
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import ImagePullSecret, PodNamespace, argument, choice, duration, option, size

if TYPE_CHECKING:
    from ciliumctl.capture import Wanted
    from ciliumctl.cli.session import Session

KIND = "Capture"
# Seconds for what is before the packets, a large image for example, and for reading them: as long as files are kept.
_AROUND = 900.0


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, argument(metavar="TARGET... [FILTER...]", help="Pods or nodes, then a filter")
    ] = None,
    *,
    write: Annotated[
        str, option("--write", "-w", metavar="FILE|FOLDER|-", help="Where to (default: a new name in this folder)")
    ] = "",
    namespace: PodNamespace = "",
    selector: Annotated[str, option("--selector", "-l", metavar="LABELS", help="Pods with these labels")] = "",
    merge: Annotated[bool, option("--merge", help="One pcapng of all targets, by time")] = False,
    duration: Annotated[
        float | None, duration("--duration", help="End after this time (default: 60s; 1h as a stream)")
    ] = None,
    packets: Annotated[
        int, option("--packets", "-c", metavar="N", min=0, help="End after so many packets of each target")
    ] = 0,
    size: Annotated[int | None, size("--size", help="End after so many bytes of each target (default: 50M)")] = None,
    snaplen: Annotated[
        int, option("--snaplen", metavar="N", min=0, max=262_144, help="Bytes of each packet (default: all)")
    ] = 0,
    interface: Annotated[
        str, option("--interface", "-i", metavar="NAME|any", help="Interface (default: eth0 of a pod, any of a node)")
    ] = "",
    where: Annotated[
        str, choice("auto", "pod", "agent", "node", flags=("--where",), help="Where tcpdump runs")
    ] = "auto",
    image: Annotated[str, option("--image", metavar="REF", help="Image with sh and tcpdump (default: netshoot)")] = "",
    image_pull_secret: ImagePullSecret = "",
    flows: Annotated[
        bool | None, option("--flows/--no-flows", help="Put Hubble's flows beside it (default: where Hubble answers)")
    ] = None,
    dry_run: Annotated[
        bool, option("--dry-run", help="Say what would be created for each target, and create nothing")
    ] = False,
) -> None:
    """Look, plan, capture, write."""
    from ciliumctl import capture
    from ciliumctl.cli.commands.capture import _capturing

    session = session_of(ctx)
    session.allow("name", "wide")
    kube = session.kube
    names, expression = capture.split(words or [])
    streamed = write == capture.STREAM
    limits = capture.Limits(
        seconds=duration if duration is not None else capture.STREAM_SECONDS if streamed else capture.SECONDS,
        packets=packets,
        size=size or capture.SIZE,
        snaplen=snaplen or capture.SNAPLEN,
    )
    _capturing.refuse(session, limits, names, expression, streamed=streamed, selector=selector, flows=flows)
    capture.check_here(expression)
    wanted = capture.Wanted(
        targets=names,
        selector=selector,
        namespace=namespace or kube.namespace,
        cilium=session.settings.namespace,
        filter=expression,
        interface=interface,
        where=where,  # type: ignore[arg-type]  # one of the words above
        image=image,
        pull_secret=image_pull_secret,
        owner=session.who,
        limits=limits,
        flows=flows,
    )
    session.deadline(limits.seconds + _AROUND)
    _run(session, wanted, write, merge=merge, dry_run=dry_run)


def _run(session: Session, wanted: Wanted, write: str, *, merge: bool, dry_run: bool) -> None:
    from ciliumctl import capture
    from ciliumctl.cli.commands.capture import _capturing

    kube, report = session.kube, session.report
    targets = capture.resolve(kube, wanted.targets, selector=wanted.selector, namespace=wanted.namespace)
    if write == capture.STREAM and not dry_run:
        to = _capturing.stdout(merge=merge or len(targets) > 1)
        try:
            result, error = capture.stream(kube, wanted, targets, to, report)
        finally:
            _capturing.let_go()
        # Standard output has the packets; what is said of them goes where people look.
        _capturing.render(session.stderr(), result)
        if error is not None:
            raise error
        raise typer.Exit(0)
    out = capture.destination(write, targets, merge=merge, now=datetime.now().astimezone())
    if dry_run:
        session.finish(capture.preview(kube, wanted, targets, report), _capturing.render)
    result, error = capture.capture(kube, wanted, targets, out, report)
    if error is not None:
        session.fail(error, result, _capturing.render)
    session.finish(result, _capturing.render)
