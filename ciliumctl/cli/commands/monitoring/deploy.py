"""Start a small Prometheus and Grafana for a while, with the dashboards of Cilium's chart.

For a look, not for operation: in the namespace `ciliumctl-monitoring`, marked, without disks, ended after a day
(`--ttl`). Pods obey the `restricted` level; Prometheus may look at the pods in Cilium's namespace and at nothing else.
Dashboards are taken from the chart's ConfigMaps: `ciliumctl monitoring enable --dashboards` makes them. Run it again to
bring them up to date.

Exit codes: 0 it runs, 3 the namespace is somebody else's, 4 not ready in time, 6 an image cannot be had.

Examples:
  ciliumctl monitoring deploy
  ciliumctl monitoring deploy --ttl 2h --registry registry.example.org/mirror
  ciliumctl monitoring deploy --image grafana=registry.example.org/grafana:11.6.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.options import ImagePullSecret, duration, option
from ciliumctl.cli.output import Writer
from ciliumctl.errors import UsageError

if TYPE_CHECKING:
    from ciliumctl.monitoring.stack import MonitoringStack

KIND = "MonitoringStack"


def command(
    ctx: typer.Context,
    *,
    ttl: Annotated[float, duration("--ttl", help="When it ends by itself (default: 24h; 0: never)")] = 24 * 3600.0,
    image: Annotated[
        list[str] | None,
        option("--image", metavar="NAME=REF", help="Another image of either; repeatable"),
    ] = None,
    registry: Annotated[
        str, option("--registry", metavar="PREFIX", help="Where the images are, in place of their own registry")
    ] = "",
    image_pull_secret: ImagePullSecret = "",
    target_namespace: Annotated[
        str, option("--target-namespace", metavar="NAME", help="Where it runs (default: ciliumctl-monitoring)")
    ] = "",
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until both are ready (default: yes)")] = True,
) -> None:
    """Make it, wait for it."""
    from ciliumctl.monitoring import manifests, stack

    session = session_of(ctx)
    session.allow()
    session.deadline(300.0)
    wanted = manifests.Wanted(
        cilium_namespace=session.settings.namespace,
        namespace=target_namespace or manifests.NAMESPACE,
        ttl=ttl,
        images=_images(image or ()),
        registry=registry,
        pull_secret=image_pull_secret,
        wait=wait,
        owner=session.who,
    )
    session.finish(stack.deploy(session.kube, wanted, session.report), render, then="monitoring open")


def _images(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    from ciliumctl.monitoring.manifests import PROGRAMS

    found: dict[str, str] = {}
    for text in given:
        name, equals, reference = text.partition("=")
        if name not in PROGRAMS or not equals or not reference:
            raise UsageError(f"`{text}` names no image", hint=f"write NAME=REF, with one of {', '.join(PROGRAMS)}")
        found[name] = reference
    return found


def render(out: Writer, result: MonitoringStack) -> None:
    """What runs where, and until when."""
    state = "runs" if result.ready else "was started"
    out.line((f"{state}: ", "good"), f"prometheus and grafana in namespace {result.namespace} of {result.context}")
    out.line(f"dashboards: {', '.join(result.dashboards) or 'none'}")
    if not result.dashboards:
        out.hint("`ciliumctl monitoring enable --dashboards` makes the chart's, then run this again")
    out.line(f"ends at {result.expires}" if result.expires else "stays until `ciliumctl monitoring delete`")
