"""Show the values that an installation would have, and where each comes from.

Each value is the chart's default, a preset's, a detected one or yours; `hides` names what it wins over.
Without `--all` only values that differ from the chart's own are shown. `--offline` asks no cluster.
What looks like a secret is not shown without `--show-secrets`.

Examples:
  ciliumctl values show -f values.yaml --set operator.replicas=1
  ciliumctl values show --all --offline --version 1.20.0 -o json
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ciliumctl.cli import session_of
from ciliumctl.cli.commands import _installing
from ciliumctl.cli.options import ChartOptions, ValuesOptions, option
from ciliumctl.cli.output import Writer

if TYPE_CHECKING:
    from ciliumctl.values.layers import MergedValues

KIND = "Values"


def command(
    ctx: typer.Context,
    *,
    which: ChartOptions,
    given: ValuesOptions,
    all: Annotated[bool, option("--all", help="Show the chart's own values too")] = False,
    offline: Annotated[bool, option("--offline", help="Ask no cluster: nothing is detected")] = False,
    show_secrets: Annotated[bool, option("--show-secrets", help="Show keys, passwords and tokens, too")] = False,
    translate_values: Annotated[
        bool, option("--translate-values", help="Translate values of older charts instead of refusing them")
    ] = False,
) -> None:
    """Merge and show."""
    from ciliumctl import installation
    from ciliumctl.values.layers import without_secrets

    session = session_of(ctx)
    session.allow()
    session.deadline(120.0)
    wanted = _installing.wanted(
        session,
        which,
        given,
        detect=not offline,
        translate=translate_values,
    )
    with _installing.scratch() as folder:
        result = installation.values_of(
            wanted,
            None if offline else session.kube,
            _installing.means(session),
            _installing.storage(session),
            folder,
            everything=all,
        )
    session.finish(result if show_secrets else without_secrets(result), render)


def render(out: Writer, result: MergedValues) -> None:
    """One line a value."""
    rows = [
        (
            value.key,
            json.dumps(value.value),
            value.origin + (f" (hides {', '.join(value.hides)})" if value.hides else ""),
        )
        for value in result.values
    ]
    if not rows:
        out.line("nothing differs from the chart's own values; `--all` shows those")
        return
    out.table(("key", "value", "from"), rows)
