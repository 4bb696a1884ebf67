"""Look at Cilium's own metrics without a Prometheus: read straight from its agents."""
