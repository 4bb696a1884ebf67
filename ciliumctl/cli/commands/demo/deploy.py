"""Make the demo application: an nginx and its service, spread over nodes.

The same as `kubectl create deployment nginx` and `kubectl expose deployment nginx --port=80 --type=NodePort`, in pods
that the `restricted` Pod Security level lets in. Waits until every pod is ready; ends early when that cannot be, such
as for an image that cannot be pulled. A second time changes nothing; with other options it changes what is there.

An `nginx` that was not made by this command is left alone (exit code 3).

Examples:
  ciliumctl demo deploy
  ciliumctl demo deploy --replicas 5 --type LoadBalancer -n shop
  ciliumctl demo deploy --registry registry.example.com/mirror
  ciliumctl demo deploy --image nginx:1.29 --port 80
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands.demo._shared import Namespace
from ciliumctl.cli.options import ImagePullSecret, choice, duration, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.demo import DemoDeployed

KIND = "DemoDeployed"


def command(
    ctx: typer.Context,
    *,
    namespace: Namespace = "",
    replicas: Annotated[int, option("--replicas", "-r", metavar="N", min=1, max=1000, help="Pods (default: 2)")] = 2,
    type: Annotated[
        str,
        choice("NodePort", "ClusterIP", "LoadBalancer", flags=("--type",), help="Of the service (default: NodePort)"),
    ] = "NodePort",
    image: Annotated[str, option("--image", metavar="REF", help="Another image that serves HTTP")] = "",
    port: Annotated[
        int,
        option("--port", metavar="PORT", min=0, max=65535, help="Where the image listens (default: 80 with --image)"),
    ] = 0,
    arg: Annotated[
        list[str] | None, option("--arg", metavar="WORD", help="Argument for the image's program; repeatable")
    ] = None,
    registry: Annotated[
        str, option("--registry", metavar="PREFIX", help="Pull the image from here instead of docker.io")
    ] = "",
    image_pull_secret: ImagePullSecret = "",
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until all pods are ready (default: yes)")] = True,
    wait_duration: Annotated[
        float, duration("--wait-duration", help="Longest wait (default: 5m); the same as --timeout")
    ] = defaults.WAIT_SECONDS,
) -> None:
    """Make it, wait for it."""
    from ciliumctl import demo
    from ciliumctl.errors import UsageError

    session = session_of(ctx)
    session.allow()
    if image and registry:
        raise UsageError("`--image` names its registry itself", hint="leave out `--registry`")
    if port and not image:
        raise UsageError(
            "`--port` says where another image listens, and nobody would answer there", hint="name it: `--image REF`"
        )
    session.deadline(wait_duration)
    place = namespace or session.kube.namespace
    wanted = demo.Wanted(
        namespace=place,
        replicas=replicas,
        type=type,
        image=image,
        registry=registry,
        port=port,
        arguments=tuple(arg or ()),
        pull_secret=image_pull_secret,
    )
    result = demo.deploy(session.kube, wanted, session.report, wait=wait)
    session.finish(result, render, then=f"demo test -n {place}")


def render(out: Writer, result: DemoDeployed) -> None:
    """One line: what is there now."""
    what = "deployed" if result.changed else "unchanged"
    port = f", node port {result.node_port}" if result.node_port else ""
    ready = f"{result.ready} of {result.replicas} pods ready"
    out.line(("nginx ", "head"), f"{what} in namespace {result.namespace}: {ready}, {result.type}{port}")
