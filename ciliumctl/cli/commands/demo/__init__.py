"""A small application to try the network with: make it, reach it, test it, remove it."""
