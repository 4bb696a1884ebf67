"""The Kubernetes API: typed errors, plain JSON, no model classes.

The `kubernetes` package gives configuration, credentials, TLS and the connection pool; its generated API classes cost
0.8 s to import and 4 s per thousand pods, so requests and answers are JSON here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ciliumctl.clients.kube.changing import FIELD_MANAGER, Changing
from ciliumctl.clients.kube.containers import Containers
from ciliumctl.clients.kube.discovery import Access, Discovery
from ciliumctl.clients.kube.forward import Forwarder, PodPort
from ciliumctl.clients.kube.kubeconfig import ConnectOptions, load
from ciliumctl.clients.kube.kubeconfig import files as kubeconfig_files
from ciliumctl.clients.kube.logs import Log, LogRequest, Stamped
from ciliumctl.clients.kube.reading import Reading, Table
from ciliumctl.clients.kube.resources import (
    CILIUM_CLUSTERWIDE_POLICIES,
    CILIUM_ENDPOINTS,
    CILIUM_POLICIES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Manifest,
    Resource,
    addresses_of,
    annotations_of,
    conditions_of,
    dig,
    is_ciliums_crd,
    labels_of,
    name_of,
    namespace_of,
)
from ciliumctl.clients.kube.streams import Exec, ExecResult
from ciliumctl.clients.kube.transport import Transport

__all__ = [
    "CILIUM_CLUSTERWIDE_POLICIES",
    "CILIUM_ENDPOINTS",
    "CILIUM_POLICIES",
    "CONFIG_MAPS",
    "CONTROLLER_REVISIONS",
    "CRDS",
    "DAEMON_SETS",
    "DEPLOYMENTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "FIELD_MANAGER",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PODS",
    "REPLICA_SETS",
    "ROLE_BINDINGS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "STATEFUL_SETS",
    "Access",
    "ConnectOptions",
    "Exec",
    "ExecResult",
    "Forwarder",
    "Kube",
    "Log",
    "LogRequest",
    "Manifest",
    "PodPort",
    "Resource",
    "Stamped",
    "Table",
    "addresses_of",
    "annotations_of",
    "conditions_of",
    "connect",
    "dig",
    "is_ciliums_crd",
    "kubeconfig_files",
    "labels_of",
    "name_of",
    "namespace_of",
]


class Kube(Reading, Discovery, Changing, Containers):
    """A client for one cluster. Safe to use from several threads; every failure is a `ClusterError`."""


def connect(options: ConnectOptions, environ: Mapping[str, str] | None = None) -> Kube:
    """A client for the cluster and the user that the options, the kubeconfig or the pod we run in name.

    No request is made yet. Raises `NoKubeconfig`, `UnknownContext`, `CredentialPlugin`.
    """
    environ = os.environ if environ is None else environ
    context = load(options, environ)
    return Kube(Transport(context, environ=environ, request_timeout=options.request_timeout))
