"""What answers in place of programs in simulated pods: nothing runs there, so kwok passes the traffic on to us."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PAGE = b"a stand-in for Hubble's page, not Hubble\n"

#: A configuration for kwok: commands in simulated pods run here, as programs on PATH.
EXEC = """\
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {name: all}
spec:
  execs:
    - local: {}
"""

_FORWARD = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: all}
spec:
  forwards:
    - target: {address: 127.0.0.1, port: %d}
"""


def forwarded_to(port: int) -> str:
    """A configuration for kwok: a port-forward to any simulated pod ends at this port here."""
    return _FORWARD % port


@contextmanager
def page() -> Iterator[int]:
    """A web page for the simulated pods to show; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
