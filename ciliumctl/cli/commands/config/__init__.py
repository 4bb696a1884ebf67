"""Show where the values of options come from."""
