"""Switch Cilium's metrics on and off, and see who reads them and whether they answer."""
