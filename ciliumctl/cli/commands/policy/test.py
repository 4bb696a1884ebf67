"""Try network policies on live pods: connections that must get through, and connections that must not.

FILE is a list in YAML, in the shape of netassert's, and `fqdn`, `http` and `dropReason` besides:

  - name: the client reads the shop
    src: {k8sResource: {kind: deployment, name: client, namespace: shop}}
    dst: {k8sResource: {kind: service, name: web, namespace: shop}}    # or host: {name: 192.0.2.1}, fqdn: example.com
    protocol: tcp                     # or udp
    targetPort: 8080
    expect: allow                     # or deny; netassert's exitCode: 0 or 1 means the same
    http: {method: GET, path: /, status: 200}
    timeoutSeconds: 5
    attempts: 2

A denial is silence, and so may be a missing server: each assertion is compared with what the policies say, so that one
is not taken for the other; where they do not tell (names, groups), Hubble has to have seen the drop. A refusal comes
from the destination: nothing was denied.

Each source gets a container with tools, and without rights, beside its own for the time of the test; it stays in the
pod's spec, ended. `--tools pod` uses the programs of the pods themselves instead: bash, and curl.

Exit codes: 0 when all hold, 1 when one does not.

Examples:
  ciliumctl policy test policies-test.yaml
  ciliumctl policy test policies-test.yaml --report junit=junit.xml --report tap=test.tap
  ciliumctl policy test policies-test.yaml --dry-run
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import reporting, session_of
from ciliumctl.cli.options import ImagePullSecret, argument, choice, duration, option
from ciliumctl.cli.output import Cell, Writer, envelope
from ciliumctl.errors import CiliumctlError

if TYPE_CHECKING:
    from ciliumctl.policies.trying import PolicyTest

KIND = "PolicyTest"
_SIGNS: dict[str, Cell] = {
    "passed": ("✔ ", "good"),
    "failed": ("✗ ", "bad"),
    "error": ("✗ ", "bad"),
    "planned": ("• ", "dim"),
}


def command(
    ctx: typer.Context,
    file: Annotated[str, argument(metavar="FILE", help="The assertions; - for standard input")],
    *,
    dry_run: Annotated[bool, option("--dry-run", help="Only read the file, and say what would be tried")] = False,
    tools: Annotated[
        str,
        choice("guest", "pod", flags=("--tools",), help="Whose tools (default: guest, a container beside)"),
    ] = "guest",
    image: Annotated[str, option("--image", metavar="REF", help="Image of the container with tools")] = "",
    image_pull_secret: ImagePullSecret = "",
    ttl: Annotated[
        float, duration("--ttl", help="When that container ends by itself at the latest (default: 30m)")
    ] = 1800.0,
    report: Annotated[
        list[str] | None,
        option("--report", metavar="FORMAT=FILE", help="Also write tap, junit, markdown or json; repeatable"),
    ] = None,
) -> None:
    """Read, try, tell."""
    from ciliumctl import files
    from ciliumctl.guests import How
    from ciliumctl.policies import trying
    from ciliumctl.policies.trying import result as made

    session = session_of(ctx)
    session.allow()
    session.deadline(900.0)
    reports = reporting.wanted(report, "tap")
    try:
        name = "<stdin>" if file == "-" else file
        wanted = trying.Wanted(
            file=name,
            assertions=trying.read(files.content(file, sys.stdin.buffer.read), name),
            namespace=session.settings.namespace,
            how=How(
                image=image,
                pull_secret=image_pull_secret,
                ttl=ttl,
                profile="restricted",
                purpose="policy",
                owner=session.who,
            ),
            own_tools=tools == "pod",
        )
        result = trying.rehearse(wanted) if dry_run else trying.run(session.kube, wanted, session.report)
    except CiliumctlError as error:
        data, failed = envelope(KIND, None, error), {"tap": partial(made.tap, error)}
        lost = reporting.publish(reports, made.TITLE, made.not_begun(error), data, session.environ, more=failed)
        reporting.tell(session, lost)
        raise
    more = {"tap": partial(made.tap, result)}
    data = envelope(KIND, result)
    lost = reporting.publish(reports, made.TITLE, made.suites(result), data, session.environ, more=more)
    reporting.end(session, result, render, None, lost)


def render(out: Writer, result: PolicyTest) -> None:
    """A line each, and below those that do not hold why; then the sum."""
    for one in result.tried:
        out.line(_SIGNS[one.outcome], (one.name, "head"), f": {one.asked}, {one.expected}")
        if one.why:
            out.line("    ", one.why)
    counts = {word: sum(one.outcome == word for one in result.tried) for word in ("passed", "failed", "error")}
    if result.dry_run:
        out.line(f"{len(result.tried)} assertions would be tried; nothing was")
        return
    out.line(f"{counts['passed']} passed, {counts['failed']} failed, {counts['error']} could not be tried")
