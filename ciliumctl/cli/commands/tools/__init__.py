"""Install and verify the programs around Cilium: its official CLI, Hubble's, Helm."""
