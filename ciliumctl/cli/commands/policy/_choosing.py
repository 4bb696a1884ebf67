"""Options that the policy commands share."""

from __future__ import annotations

from typing import Annotated

from ciliumctl.cli.options import option

#: Of policies and pods. Cilium's own is the global option of this name, which stands before the command.
Namespace = Annotated[
    str, option("--namespace", "-n", metavar="NAME", help="Namespace of the policies (default: every one)")
]
