"""Which cluster, as whom, until when: what every part of the client has."""

from __future__ import annotations

from collections.abc import Callable

from ciliumctl.clients.kube.transport import Transport
from ciliumctl.wait import Deadline


class Connection:
    """What every part of the client has."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def host(self) -> str:
        """The API server's address."""
        return self._transport.host

    @property
    def context(self) -> str:
        """The context's name in the kubeconfig; `in-cluster` inside a pod."""
        return self._transport.context.name

    @property
    def cluster_name(self) -> str:
        """The cluster's name in the kubeconfig; empty inside a pod."""
        return self._transport.context.cluster_name

    @property
    def namespace(self) -> str:
        """The namespace of the context, `default` without one: where kubectl looks for what names none."""
        return self._transport.context.namespace

    @property
    def user(self) -> str:
        """Whom we act as: the user that is impersonated, else the kubeconfig's name for ours; empty inside a pod."""
        return self._transport.context.as_user or self._transport.context.user_name

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._transport.requests

    @property
    def deadline(self) -> Deadline:
        """When the command's time is up."""
        return self._transport.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._transport.deadline = deadline

    def tell(self, trace: Callable[[str], None]) -> None:
        """Tell of each request from now on."""
        self._transport.trace = trace
