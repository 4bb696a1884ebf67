"""Open a shell, with tools to look at the network, beside a pod, on a node or in a pod of its own.

Beside a pod: an ephemeral container, which sees the pod's network and, with --target, the processes of one of its
containers. On a node: a pod with the node's network and processes, and its files at /host to be read. `new`: a pod of
its own. A pod is deleted at the end, a container is ended; what a killed run leaves ends by itself after --ttl.

At a terminal the shell has it, with its size and its Ctrl-C; otherwise standard input is piped to the command. In a
loop such as `while read`, which reads the same, `--no-input` leaves it to the loop. The exit code is the command's:
what fails before the command has started ends with the codes of `ciliumctl --help`, and with an `error:` line on
standard error.

TARGET: pod/NAME, pod/NAMESPACE/NAME, a pod's bare name, deploy/NAME, ds/NAME, sts/NAME, svc/NAME, node/NAME or new.

Examples:
  ciliumctl debug shell pod/web-0 -n shop
  ciliumctl debug shell svc/web -n shop --keep -- curl -sS localhost:8080/healthz
  ciliumctl debug shell node/worker-1 -- ss -ltnp
  ciliumctl debug shell new --host-network --node worker-1
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.arguments import Arguments, rest_of
from ciliumctl.cli.commands.debug import _running
from ciliumctl.cli.options import argument, choice, duration, option
from ciliumctl.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciliumctl.cli.session import Session
    from ciliumctl.guests import Guest, Profile

KIND = "DebugRun"
ARGUMENTS = Arguments(rest="COMMAND...")
# What the kubelet says of a container that runs no more.
_GONE = "container not found"
_PROFILES = ("netadmin", "general", "baseline", "restricted", "sysadmin")


def command(
    ctx: typer.Context,
    *,
    target: Annotated[str, argument(metavar="[TARGET]", help="Where to look around: a pod, a node, or new")] = "",
    namespace: Annotated[
        str,
        option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Namespace of the pod (default: the context's; node pods: Cilium's)",
        ),
    ] = "",
    selector: Annotated[
        str, option("--selector", "-l", metavar="LABELS", help="Take a ready pod with these labels, in place of TARGET")
    ] = "",
    image: Annotated[
        str, option("--image", metavar="REF", help="Image with the tools, `sh` among them (default: netshoot, pinned)")
    ] = "",
    image_pull_secret: Annotated[
        str,
        option("--image-pull-secret", metavar="NAME", help="Pull secret of the namespace, for the image of a new pod"),
    ] = "",
    profile: Annotated[
        str,
        choice(
            *_PROFILES,
            flags=("--profile",),
            help="What it may do, as with kubectl; netadmin (the default) may capture and change interfaces",
        ),
    ] = "netadmin",
    target_container: Annotated[
        str,
        option("--target-container", "--target", metavar="NAME", help="See the processes of this container of the pod"),
    ] = "",
    ttl: Annotated[float, duration("--ttl", help="When it ends by itself, whatever happens (default: 1h)")] = 3600.0,
    node: Annotated[str, option("--node", metavar="NAME", help="Put a new pod on this node, whatever its taints")] = "",
    host_network: Annotated[bool, option("--host-network", help="Give a new pod its node's network")] = False,
    keep: Annotated[bool, option("--keep", help="Leave it running until its time is up, for the next command")] = False,
) -> None:
    """Find the target, have a guest there, run the command."""
    from ciliumctl import guests

    session = session_of(ctx)
    words = rest_of(ctx)
    at_terminal = _running.check(session, words)
    session.deadline(None)
    place = guests.resolve(session.kube, target, namespace or session.kube.namespace, selector)
    how = guests.How(
        image=image,
        pull_secret=image_pull_secret,
        profile=cast("Profile", profile),
        ttl=ttl,
        target=target_container,
        owner=session.who,
        keep=keep,
    )
    wish = guests.Wish(
        target=place, namespace=namespace or session.settings.namespace, node=node, host_network=host_network
    )
    guest = guests.enter(session.kube, wish, how, session.report)
    try:
        code = _inside(session, guest, words, at_terminal=at_terminal, keep=keep)
    except ClusterError as error:
        if guest.made or _GONE not in error.message:
            raise
        # The last command ended it, and the pod's status did not say so yet.
        guest = guests.enter(session.kube, wish, replace(how, ended=guest.container), session.report)
        code = _inside(session, guest, words, at_terminal=at_terminal, keep=keep)
    if keep:
        session.report.note(f"{guest.words} runs until {_end(guest)}; `ciliumctl debug cleanup --all` ends it before")
    raise typer.Exit(code)


def _inside(session: Session, guest: Guest, words: Sequence[str], *, at_terminal: bool, keep: bool) -> int:
    from ciliumctl import guests

    with nullcontext() if keep else guests.stay(session.kube, guest, session.report):
        if at_terminal and not words:
            _greet(session, guest)
        return _running.run(session, _where(guest), words, at_terminal=at_terminal)


def _where(guest: Guest) -> _running.Where:
    return _running.Where(
        namespace=guest.namespace, pod=guest.pod, container=guest.container, node=guest.node, session=guest.session
    )


def _greet(session: Session, guest: Guest) -> None:
    session.report.note(f"{guest.words} on node {guest.node}, until {_end(guest)}; `exit` or Ctrl-D leaves")


def _end(guest: Guest) -> str:
    return f"{guest.expires.astimezone():%H:%M}"
