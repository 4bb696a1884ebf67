"""Look at the CNIs of the nodes: what is configured, what carries the traffic, what it says of itself."""
