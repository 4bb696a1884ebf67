"""The prober as it runs in a pod: its own text, by another Python, over loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.connectivity.perf import bed, measure, prober
from ciliumctl.connectivity.perf.result import Latency


def start(*arguments: str) -> subprocess.Popen[str]:
    """As a container does: the command of the bed, the text in the environment, nothing of ours to import."""
    (variable,) = bed.environment()
    return subprocess.Popen(
        [sys.executable, "-I", *bed.PROBER[1:], *arguments],
        env={"PATH": os.environ["PATH"], variable["name"]: variable["value"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )


def ask(address: str, port: int, seconds: str = "0.2") -> tuple[int, str]:
    running = start("ask", address, str(port), seconds)
    out, err = running.communicate(timeout=20)
    assert err == ""
    return running.returncode, out


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    port = free()
    running = start("serve", str(port))
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    running.kill()
    running.communicate(timeout=5)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_answers_are_counted_and_timed_in_both_families(server: int, address: str) -> None:
    code, out = ask(address, server)
    assert code == 0
    found = measure.understood(out, measure.latency)
    assert isinstance(found, Latency)
    assert found.requests_per_second > 10
    assert 0 < found.p50 <= found.p90 <= found.p99 <= found.max
    told = json.loads(out)
    assert sum(count for _value, count in told["histogram"]) == told["count"]
    assert 0.2 <= told["seconds"] < 5
    assert len(out) < 30_000


def test_two_at_once_are_both_answered(server: int) -> None:
    running = [start("ask", "127.0.0.1", str(server), "0.2") for _ in range(2)]
    assert [process.communicate(timeout=20)[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0]


def test_nobody_there_is_told() -> None:
    code, out = ask("127.0.0.1", free())
    assert (code, json.loads(out)) == (1, {"error": "connection refused"})


def test_a_server_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        prober.ask("127.0.0.1", silent.getsockname()[1], 1)


def test_a_server_that_goes_away_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def leave() -> None:
            connection, _address = listener.accept()
            with connection:
                connection.recv(1)

        threading.Thread(target=leave, daemon=True).start()
        code, out = ask("127.0.0.1", listener.getsockname()[1])
    assert (code, json.loads(out)) == (1, {"error": "the server ended the connection"})


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_is_kept_to_within_a_hundredth(nanoseconds: int) -> None:
    kept = prober.rounded(nanoseconds)
    assert kept <= nanoseconds
    assert nanoseconds - kept <= nanoseconds / 100
