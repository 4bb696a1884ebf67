"""The three ways out of the program: the Kubernetes API, Helm and the web. Nothing else opens a connection."""
