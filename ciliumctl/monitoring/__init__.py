"""Monitoring: Cilium's metrics switched on and off, who reads them, and a small stack for those who have none."""
