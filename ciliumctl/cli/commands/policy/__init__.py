"""See, write, check and try network policies: Kubernetes' and Cilium's."""
