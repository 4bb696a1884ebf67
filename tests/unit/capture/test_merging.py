"""Packets of several places, by time: out of files, and as they come; and the file that holds them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciliumctl.capture import pcapng
from ciliumctl.capture.merging import Live, in_order, packets_of
from ciliumctl.capture.pcap import Packet, Reader
from tests.unit.capture.captures import BEGAN, frame, head, record


def packet(nanoseconds: int, data: bytes = b"") -> Packet:
    (found,) = packets(record(nanoseconds, data))
    return found


def packets(records: bytes) -> Iterator[Packet]:
    yield from Reader().feed(head() + records)


def test_files_are_merged_by_time_and_equal_times_stay_in_the_order_of_the_places() -> None:
    first = [packet(1), packet(5), packet(9)]
    second = [packet(1), packet(2), packet(9)]
    merged = [(number, one.nanoseconds - BEGAN) for number, one in in_order([first, second])]
    assert merged == [(0, 1), (1, 1), (1, 2), (0, 5), (0, 9), (1, 9)]


def test_a_file_that_was_cut_gives_its_whole_packets(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(head() + record(1, b"a") + record(2, b"b")[:-1])
    assert [one.data for one in packets_of(path)] == [b"a"]


def test_live_packets_wait_for_earlier_ones_of_another_place() -> None:
    now = [0.0]
    seen: list[tuple[int, int]] = []
    live = Live(lambda number, one: seen.append((number, one.nanoseconds - BEGAN)), hold=1.0, clock=lambda: now[0])
    live.add(0, packet(20))
    now[0] = 0.5
    live.add(1, packet(10))
    assert seen == [], "nothing is written before its time"
    now[0] = 1.2
    live.tick()
    assert seen == [], "the earliest one is not here for long enough"
    now[0] = 1.6
    live.tick()
    assert seen == [(1, 10), (0, 20)]
    live.add(0, packet(40))
    live.add(1, packet(30))
    live.close()
    assert seen[2:] == [(1, 30), (0, 40)]


def test_live_packets_do_not_fill_the_memory() -> None:
    seen: list[int] = []
    live = Live(lambda _number, one: seen.append(one.nanoseconds - BEGAN), hold=60.0, most=100, clock=lambda: 0.0)
    for number in range(10):
        live.add(0, packet(number, bytes(20)))
    assert seen == list(range(8)), "what is too much is written before its time"


def test_one_that_comes_late_is_written_late_and_not_lost() -> None:
    now = [0.0]
    seen: list[int] = []
    live = Live(lambda _number, one: seen.append(one.nanoseconds - BEGAN), hold=1.0, clock=lambda: now[0])
    live.add(0, packet(50))
    now[0] = 2.0
    live.tick()
    live.add(1, packet(10))
    live.close()
    assert seen == [50, 10]


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """Two places in one file, with packets a nanosecond apart."""
    path = tmp_path / "merged.pcapng"
    places = [
        pcapng.Interface(name="default/web", about="pod default/web on node-1", link=1, snaplen=96, filter="udp"),
        pcapng.Interface(name="default/db", about="pod default/db on node-2", link=1, snaplen=96),
    ]
    one, two = [packet(1, frame(b"a"))], [packet(0, frame(b"b")), packet(2, frame(b"odd"))]
    parts = [pcapng.section("what for"), *map(pcapng.interface, places), pcapng.names({"192.0.2.1": "default/web"})]
    parts += [pcapng.packet(number, found) for number, found in in_order([one, two])]
    parts.append(pcapng.statistics(0, BEGAN, received=7, dropped=1))
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump: `apt-get install tcpdump`")
def test_tcpdump_reads_what_was_merged_to_the_nanosecond(merged: Path) -> None:
    argv = ["tcpdump", "-nn", "-tt", "--time-stamp-precision=nano", "-A", "-r", str(merged)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    times = [line.split()[0] for line in ran.stdout.splitlines() if " IP " in line]
    assert times == ["1700000000.000000000", "1700000000.000000001", "1700000000.000000002"], ran.stdout


def test_the_file_names_its_places_and_says_what_was_missed(merged: Path) -> None:
    data = merged.read_bytes()
    for text in (b"default/web\0", b"pod default/db on node-2", b"\0udp", b"what for", b"ciliumctl"):
        assert text in data
    kinds, at = [], 0
    while at < len(data):
        kind, length = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        assert length % 4 == 0
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8], "each block ends with its length"
        kinds.append(kind)
        at += length
    assert at == len(data)
    assert kinds == [0x0A0D0D0A, 1, 1, 4, 6, 6, 6, 5]


def test_no_names_make_no_block() -> None:
    assert pcapng.names({}) == b""
