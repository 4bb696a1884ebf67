"""Asks and answers over one TCP connection, and tells how long each answer took. Runs in a pod, with Python alone.

`serve PORT` gives back what comes, in both families. `ask ADDRESS PORT SECONDS` sends a request, waits for as many
bytes, sends the next, and prints JSON: `count`, `seconds`, `max` and `histogram`, pairs of nanoseconds and how many
answers took that long, kept to within a hundredth. Or, with exit code 1, an `error`.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

#: Bytes of a request and of its answer: like netperf's TCP_RR, the smallest packets there are.
SIZE = 1
#: Seconds after which no answer is one.
PATIENCE = 5.0
#: Leading binary digits of a duration that are kept.
_DIGITS = 8


def serve(port: int) -> None:
    """Give back what comes on every connection, for ever."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=16) as listener:
        while True:
            connection, _address = listener.accept()
            threading.Thread(target=echo, args=(connection,), daemon=True).start()


def echo(connection: socket.socket) -> None:
    """Give back what comes until the other side ends it."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


def ask(address: str, port: int, seconds: float) -> dict[str, object]:
    """Ask for so many seconds; returns what is printed. Raises `OSError` when no answer comes."""
    with socket.create_connection((address, port), timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _measured(connection, seconds)


def _measured(connection: socket.socket, seconds: float) -> dict[str, object]:
    request = b"x" * SIZE
    histogram: dict[int, int] = {}
    count = longest = 0
    began = before = time.perf_counter_ns()
    end = began + int(seconds * 1e9)
    while before < end:
        connection.sendall(request)
        missing = SIZE
        while missing:
            got = len(connection.recv(missing))
            if not got:
                raise ConnectionResetError("the server ended the connection")
            missing -= got
        now = time.perf_counter_ns()
        took, before = now - before, now
        longest = max(longest, took)
        kept = rounded(took)
        histogram[kept] = histogram.get(kept, 0) + 1
        count += 1
    return {
        "count": count,
        "seconds": (before - began) / 1e9,
        "max": longest,
        "histogram": sorted(histogram.items()),
    }


def rounded(nanoseconds: int) -> int:
    """A duration with its leading digits only: there are few of them, however long it runs."""
    shift = max(0, nanoseconds.bit_length() - _DIGITS)
    return nanoseconds >> shift << shift


def main(arguments: list[str]) -> int:
    """Serve or ask; returns the exit code."""
    if arguments[0] == "serve":
        serve(int(arguments[1]))
    try:
        told, code = ask(arguments[1], int(arguments[2]), float(arguments[3])), 0
    except socket.timeout:  # noqa: UP041 - not the same thing before Python 3.10
        told, code = {"error": f"no answer within {PATIENCE:.0f} s"}, 1
    except OSError as error:
        told, code = {"error": (error.strerror or str(error)).lower()}, 1
    sys.stdout.write(json.dumps(told) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
