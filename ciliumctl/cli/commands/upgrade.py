"""Upgrade Cilium, keeping its values and taking the new chart's defaults.

The release's own values stay; what is given here is laid over them, in Helm's order: presets, --values files,
--set-json, --set, --set-string, --set-file. `--reset-values` starts from the chart's own instead. Without `--version`
and without values the next version is proposed; with values alone the installed version stays.

Only one minor at a time is tested: `--via 1.16,1.17` goes through others, one after the other, each until Cilium is
healthy; `--via auto` finds them. `--batch` replaces the agents on a few nodes at a time.

Exit codes: 0 upgraded or unchanged, 1 not healthy or taken back, 3 refused or not confirmed, 4 not healthy in time.

Examples:
  ciliumctl upgrade
  ciliumctl upgrade --version 1.16.19
  ciliumctl upgrade --version 1.20 --via auto --yes
  ciliumctl upgrade --version 1.16 --batch 10% --pause 30s
  ciliumctl upgrade --version 1.16 --repository ./charts --dry-run
"""

from __future__ import annotations

from typing import Annotated

import typer

from ciliumctl import defaults
from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing, _upgrading
from ciliumctl.cli.options import ChartOptions, ResetValues, ValuesOptions, choice, duration, option

KIND = "Upgrade"


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    via: Annotated[
        list[str] | None,
        option("--via", metavar="VERSION,…|auto", help="Versions (or charts) to go through first; repeatable"),
    ] = None,
    allow_skip: Annotated[bool, option("--allow-skip", help="Leave a minor out, which nobody tests")] = False,
    allow_downgrade: Annotated[bool, option("--allow-downgrade", help="Let the version be an older one")] = False,
    allow_unhealthy: Annotated[
        bool, option("--allow-unhealthy", help="Go to the next minor although Cilium is not healthy")
    ] = False,
    given: ValuesOptions,
    reset_values: ResetValues = False,
    batch: Annotated[
        str, option("--batch", metavar="NODES|SHARE%", help="Replace the agents on so many nodes at a time: 3, 10%")
    ] = "",
    pause: Annotated[float, duration("--pause", help="Time between two batches")] = 0.0,
    node_selector: Annotated[
        str,
        option("--node-selector", metavar="LABELS", help="Only nodes with these labels; the others stay as they are"),
    ] = "",
    order: Annotated[
        str,
        choice(
            "workers-first",
            "control-plane-first",
            "name",
            flags=("--order",),
            help="Which nodes come first (default: workers-first)",
        ),
    ] = "workers-first",
    atomic: Annotated[
        bool, option("--atomic", help="Take a step back that fails or does not get healthy, after a small sysdump")
    ] = False,
    pull_images_first: Annotated[
        bool,
        option("--pull-images-first", help="Pull the images onto every node first, by Cilium's own preflight pods"),
    ] = False,
    backup: Annotated[
        bool, option("--backup/--no-backup", help="Back up values, manifest and Cilium's objects first (default: yes)")
    ] = True,
    backup_dir: Annotated[
        str, option("--backup-dir", metavar="FOLDER", help="Where to (default: ./ciliumctl-backup-CONTEXT-DATE-TIME)")
    ] = "",
    skip_lint: Annotated[
        bool, option("--skip-lint", help="Go on although values lose their meaning with the new chart")
    ] = False,
    skip_preflight: Annotated[
        list[str] | None,
        option("--skip-preflight", metavar="ID", help="Go on although this check fails, or `all`; repeatable"),
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Only show what would happen, and change nothing")] = False,
    confirm: Annotated[
        str, option("--confirm", metavar="CONTEXT", help="The context's name, for what cannot be done live")
    ] = "",
    wait: Annotated[bool, option("--wait/--no-wait", help="Wait until Cilium is healthy (default: yes)")] = True,
    wait_duration: Annotated[
        float,
        duration("--wait-duration", help="Longest wait for each step and batch (default: 5m); --timeout is for all"),
    ] = defaults.WAIT_SECONDS,
) -> None:
    """Find out what would change, ask, change it."""
    session = session_of(ctx)
    session.allow()
    asked = _upgrading.asked(
        _installing.wanted(
            session,
            which,
            given,
        ),
        via=via or (),
        reset=reset_values,
        allow_skip=allow_skip,
        allow_downgrade=allow_downgrade,
        allow_unhealthy=allow_unhealthy,
    )
    manner = _upgrading.Manner(
        batch=batch,
        pause=pause,
        selector=node_selector,
        order=order,
        wait=wait,
        gate=wait_duration,
        atomic=atomic,
        pull_images=pull_images_first,
        backup=backup,
        backup_dir=backup_dir,
        lint=not skip_lint,
        skip_preflight=tuple(skip_preflight or ()),
        dry_run=dry_run,
        confirm=confirm,
    )
    _upgrading.run(session, asked, manner)
