"""One answer of a program that serves HTTP in a pod: through the API server's proxy, or through a port-forward.

The proxy is one request on a connection that is there already, and ends where the API server itself reaches no pods.
The port-forward goes by way of the kubelet, as exec and logs do, and also reaches what only listens inside of the pod.
"""

from __future__ import annotations

import http.client
import io
import itertools

from ciliumctl.clients.kube.forward import PodPort
from ciliumctl.clients.kube.resources import PODS
from ciliumctl.clients.kube.spdy import Session, Stream
from ciliumctl.clients.kube.translate import translated
from ciliumctl.clients.kube.transport import Transport
from ciliumctl.clients.kube.wire import open_wire
from ciliumctl.errors import ApiFailed, NotFound, TimedOut
from ciliumctl.wait import Deadline

#: The longest answer, in bytes.
LONGEST = 64 * 1024**2
_REQUESTS = itertools.count(1)


def through_proxy(transport: Transport, place: PodPort, path: str, timeout: float, *, tls: bool = False) -> str:
    """The text at a path of a pod's port, as the API server fetches it. One request, tried once.

    With `tls` the API server speaks TLS to the pod, and takes any certificate.

    Raises:
        ClusterError: no answer, or one of 300 and above; a 503 when the API server does not reach the pod.
    """
    name = f"https:{place.pod}:{place.port}" if tls else f"{place.pod}:{place.port}"
    root = PODS.path(namespace=place.namespace, name=name, subresource="proxy")
    answer = transport.request("GET", f"{root}{path}", accept="*/*", timeout=timeout, again=False)
    return answer.body.decode("utf-8", "replace")


def through_forward(transport: Transport, place: PodPort, path: str, timeout: float) -> str:
    """The same by way of the kubelet. One connection.

    Raises:
        ClusterError: no connection, nothing listens, or the answer is none of 200. TimedOut: not in time.
    """
    deadline = transport.deadline.within(timeout)
    forward = PODS.path(namespace=place.namespace, name=place.pod, subresource="portforward")
    session = Session(open_wire(transport, forward))
    try:
        with translated(transport.target):
            headers = {"port": str(place.port), "requestid": str(next(_REQUESTS))}
            errors = session.open({**headers, "streamtype": "error"}, fin=True)
            data = session.open({**headers, "streamtype": "data"})
            data.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        answer = _all(data, deadline)
        said = b"" if answer else _all(errors, deadline.within(2.0))
    except TimeoutError:
        raise TimedOut(
            f"port {place.port} of pod `{place.pod}` did not answer within {timeout:g} s", hint="raise `--timeout`"
        ) from None
    finally:
        session.close()
    return _answer(place, path, answer, said)


def _all(stream: Stream, deadline: Deadline) -> bytes:
    """What comes until the end. Raises `TimeoutError`."""
    pieces: list[bytes] = []
    size = 0
    while (piece := stream.read(timeout=deadline.left(3600.0))) is not None:
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST:
            raise ApiFailed(f"the answer is longer than {LONGEST // 1024**2} MiB")
    return b"".join(pieces)


class _Answered:
    """What `http.client` reads an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """The answer as a file."""
        return io.BytesIO(self._data)


def _answer(place: PodPort, path: str, data: bytes, said: bytes) -> str:
    """The body of a raw HTTP answer."""
    where = f"port {place.port} of pod `{place.pod}`"
    if not data:
        reason = said.decode("utf-8", "replace").strip() or "the connection was closed"
        if "refused" in reason:
            raise ApiFailed(f"nothing listens at {where}: connection refused", detail=reason)
        raise ApiFailed(f"{where} cannot be reached: {reason}", detail=reason)
    response = http.client.HTTPResponse(_Answered(data))  # type: ignore[arg-type]  # it only calls `makefile`
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError) as error:
        raise ApiFailed(f"{where} does not speak HTTP: {type(error).__name__}") from error
    if response.status == 404:
        raise NotFound(f"{where} serves nothing at {path}")
    if response.status != 200:
        raise ApiFailed(f"{where} answered {response.status} to GET {path}")
    return body.decode("utf-8", "replace")
