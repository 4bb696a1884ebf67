"""Start and end a throwaway cluster without a CNI, to try things on.

With a Docker or Podman engine the cluster is made by kind, with real nodes in containers. Without one the control
plane is real (etcd, API server, controllers, scheduler) and the nodes are simulated by kwok: everything that talks to
the Kubernetes API works, and no traffic flows.
"""
