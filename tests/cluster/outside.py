"""What answers in the outside world: HTTP on 80 and 8080, both families; it says which address it was asked from.

Run as a program of its own in the network namespace that plays the outside world.
"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = (80, 8080)


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = f"outside world (a stand-in): {self.client_address[0].removeprefix('::ffff:')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing: nobody reads it."""


def main() -> None:
    """Serve until ended."""
    for port in PORTS:
        threading.Thread(target=_Server(("::", port), _Answer).serve_forever).start()


if __name__ == "__main__":
    main()
