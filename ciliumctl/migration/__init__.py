"""Move a cluster from another CNI to Cilium, node by node, with traffic flowing all the way.

It is Cilium's own documented way (two overlays, distinct pod ranges, a CiliumNodeConfig for labelled nodes), with a
plan before it, a connectivity test after each node, a way back for each node, and the old CNI's retirement at the end.
"""

from __future__ import annotations

from ciliumctl.migration.planning import Asked, plan, refuse

__all__ = ["Asked", "plan", "refuse"]
