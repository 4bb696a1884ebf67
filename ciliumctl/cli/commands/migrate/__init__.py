"""Move a cluster from Flannel, Calico or Weave to Cilium, node by node, while it carries traffic.

Cilium's own documented way: both CNIs run side by side, each with its own tunnel and pod range, so that pods of both
reach each other. Each node is drained, handed over, tested and opened again; it can be put back until the end.

Examples:
  ciliumctl migrate plan
  ciliumctl migrate start --version 1.18
  ciliumctl migrate node worker-1
  ciliumctl migrate node --all
  ciliumctl migrate finish --confirm my-context
"""
