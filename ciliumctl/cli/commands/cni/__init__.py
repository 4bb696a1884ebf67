"""Look at the CNIs of the nodes: their configuration, their technologies, how they differ."""
