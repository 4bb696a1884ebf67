"""Port-forwards into the pods of the API server in this process: frames as a kubelet sends them, and what serves there."""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.world.spdy import TUNNEL, App, Conversation, Session, Tunnel
from tests.world.websockets import Head, Peer, upgrade

Object = dict[str, Any]


def pod_of(path: str) -> str:
    """The pod that a port is forwarded into; empty when a request asks for something else."""
    parts = urlsplit(path).path.split("/")
    return parts[-2] if parts[-1] == "portforward" else ""


def serve(handler: BaseHTTPRequestHandler, app: App) -> None:
    """Take the tunnel and run `app` for each connection, until the client or the server hangs up."""
    handler.close_connection = True
    peer = Peer(handler.connection)
    head = Head(method="GET", target=handler.path, headers=list(handler.headers.items()))
    # A client that went away is no news.
    with contextlib.suppress(OSError):
        Session(Tunnel(upgrade(peer, head, TUNNEL)), app).run()


def to_port(port: int) -> App:
    """What carries each connection to a program that listens on this machine."""

    def carry(conversation: Conversation) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as there:

            def upward() -> None:
                while (piece := conversation.data.read()) is not None:
                    there.sendall(piece)
                with contextlib.suppress(OSError):
                    there.shutdown(socket.SHUT_WR)

            threading.Thread(target=upward, daemon=True).start()
            while piece := there.recv(65536):
                conversation.data.send(piece)

    return carry


def service(name: str, port: int = 80) -> Object:
    """A service of Cilium's."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"ports": [{"name": "http", "port": port}]},
    }


def endpoints(name: str, *pods: tuple[str, bool]) -> Object:
    """The pods behind it, and whether they are ready."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": name},
        },
        "ports": [{"name": "http", "port": 8081}],
        "endpoints": [{"conditions": {"ready": ready}, "targetRef": {"name": pod}} for pod, ready in pods],
    }
