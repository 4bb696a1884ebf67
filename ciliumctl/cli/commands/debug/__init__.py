"""Get inside: a shell in a pod or on a node, the path between two of them, what was left behind."""
