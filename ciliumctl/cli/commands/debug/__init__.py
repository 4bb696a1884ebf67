"""Look around in pods and on nodes, with tools that are put there for a while."""
