"""Values for a purpose or a kind of cluster, for `install --preset`."""
