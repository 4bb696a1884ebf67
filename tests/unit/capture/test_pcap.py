"""Packets out of a stream of bytes that comes in pieces, is cut, or is no capture."""

from __future__ import annotations

import pytest

from ciliumctl.capture.pcap import Reader
from ciliumctl.errors import OutsideError
from tests.unit.capture.captures import BEGAN, head, record


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [True, False])
def test_time_and_bytes_are_read_in_each_form_of_the_format(order: str, *, nano: bool) -> None:
    one = record(1_234_567, b"abc", order=order, nano=nano, length=60)
    reader = Reader()
    (packet,) = reader.feed(head(order=order, nano=nano, link=113, snaplen=96) + one)
    assert packet.nanoseconds - BEGAN == (1_234_567 if nano else 1_234_000)
    assert (packet.length, packet.data, packet.record) == (60, b"abc", one)
    assert reader.header is not None
    assert (reader.header.link, reader.header.snaplen) == (113, 96)


@pytest.mark.parametrize("size", [1, 7, 16, 1000])
def test_pieces_of_any_size_give_the_same_packets(size: int) -> None:
    records = [record(number, bytes(number)) for number in range(20)]
    whole = head() + b"".join(records)
    reader = Reader()
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert [packet.record for piece in pieces for packet in reader.feed(piece)] == records
    assert reader.rest == 0


def test_a_packet_that_was_cut_is_not_told() -> None:
    reader = Reader()
    assert len(list(reader.feed(head() + record(0, b"whole") + record(1, b"cut off")[:-1]))) == 1
    assert reader.rest == len(record(1, b"cut off")) - 1


def test_a_reader_that_stops_half_way_goes_on_with_the_next_packet() -> None:
    reader = Reader()
    feeding = reader.feed(head() + record(0, b"one") + record(1, b"two"))
    assert next(feeding).data == b"one"
    feeding.close()
    assert [packet.data for packet in reader.feed(b"")] == [b"two"]


@pytest.mark.parametrize("data", [b"tcpdump: eth0: You don't have permission", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(OutsideError, match="no capture"):
        list(Reader().feed(data))


def test_an_impossible_length_is_refused_and_not_waited_for() -> None:
    broken = bytearray(record(0, b"x"))
    broken[8:12] = b"\xff\xff\xff\x7f"
    with pytest.raises(OutsideError, match="broken"):
        list(Reader().feed(head() + bytes(broken)))
