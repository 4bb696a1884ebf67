"""What is done in containers: commands, logs, ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ciliumctl.clients.kube import fetch
from ciliumctl.clients.kube.connection import Connection
from ciliumctl.clients.kube.forward import Forwarder, PodPort
from ciliumctl.clients.kube.logs import Log, LogRequest
from ciliumctl.clients.kube.resources import PODS
from ciliumctl.clients.kube.streams import Exec, ExecResult


class Containers(Connection):
    """The part of the client that reaches into containers."""

    def open_exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> Exec:
        """Start a command in a container and return the open connection."""
        query: list[tuple[str, Any]] = [("command", part) for part in command]
        query += [("stdout", "true"), ("stderr", str(not tty).lower())]
        query += [("stdin", str(stdin).lower()), ("tty", str(tty).lower())]
        if container:
            query.append(("container", container))
        return Exec(self._transport, PODS.path(namespace=namespace, name=pod, subresource="exec"), query)

    def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 30.0,
    ) -> ExecResult:
        """Run a command in a container to its end. Raises `TimedOut` after `timeout` seconds."""
        deadline = self.deadline.within(timeout)
        collected = {"stdout": bytearray(), "stderr": bytearray()}
        with self.open_exec(namespace, pod, command, container=container, stdin=bool(stdin)) as running:
            if stdin:
                running.feed(stdin)
            for channel, piece in running.frames(deadline):
                collected[channel] += piece
            return ExecResult(
                code=running.exit_code, stdout=bytes(collected["stdout"]), stderr=bytes(collected["stderr"])
            )

    def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "",
        tail: int = 20,
        previous: bool = False,
        since: float = 0.0,
        limit: int = 0,
    ) -> str:
        """The last `tail` lines of a container's log, or of the one before it.

        `since` leaves out what is older, in seconds; `limit` is the most bytes, counted from the first line.
        """
        query = {"tailLines": str(tail), "previous": str(previous).lower()}
        if container:
            query["container"] = container
        if since:
            query["sinceSeconds"] = str(max(1, round(since)))
        if limit:
            query["limitBytes"] = str(limit)
        path = PODS.path(namespace=namespace, name=pod, subresource="log")
        answer = self._transport.request("GET", path, query=query, accept="*/*")
        return answer.body.decode("utf-8", "replace")

    def proxied(self, place: PodPort, path: str, *, timeout: float, tls: bool = False) -> str:
        """What a pod's port answers to GET, asked by the API server. One request. See `fetch.through_proxy`."""
        return fetch.through_proxy(self._transport, place, path, timeout, tls=tls)

    def fetched(self, place: PodPort, path: str, *, timeout: float) -> str:
        """What a pod's port answers to GET, through a port-forward of its own. See `fetch.through_forward`."""
        return fetch.through_forward(self._transport, place, path, timeout)

    def open_logs(self, requests: Sequence[LogRequest]) -> list[Log]:
        """Logs to be read line by line, in the order of `requests`; none is asked for before its `lines`."""
        pool = self._transport.streams()
        return [Log(self._transport, pool, request) for request in requests]

    def forward(
        self,
        resolve: Callable[[], PodPort],
        *,
        address: str,
        port: int,
        say: Callable[[str], None],
    ) -> Forwarder:
        """Listen on a local port and carry connections into the pod that `resolve` names.

        Nothing is accepted before `start`. Raises `UsageError` when the port cannot be had.
        """
        return Forwarder(self._transport, resolve, address=address, port=port, say=say)
