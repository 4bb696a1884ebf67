"""Show, compare and change Cilium's settings; `explain` shows where ciliumctl's own options come from."""
