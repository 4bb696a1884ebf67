"""Pipelines for CI systems: install Cilium, wait, test the network."""
