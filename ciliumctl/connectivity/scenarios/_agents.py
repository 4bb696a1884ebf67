"""What the scenarios that ask the agents share."""

from __future__ import annotations

#: Finds the agent's program, as `$c`: `cilium-dbg` since 1.15, `cilium` before.
TOOL = "c=cilium-dbg; command -v $c >/dev/null || c=cilium"
