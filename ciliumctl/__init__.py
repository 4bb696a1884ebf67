"""Install Cilium on Kubernetes and run its whole life from one command line."""

__version__ = "0.1.0"
