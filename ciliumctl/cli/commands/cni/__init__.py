"""Look at the CNIs of the nodes: what is configured, what runs, what it says of itself."""
