"""Words of a command line, and what tcpdump says."""

from __future__ import annotations

import shutil

import pytest

from ciliumctl.capture import filters
from ciliumctl.capture.model import Limits
from ciliumctl.errors import UsageError


@pytest.mark.parametrize(
    ("words", "targets", "expression"),
    [
        (("pod/a",), ("pod/a",), ""),
        (("pod/a", "node/b", "port", "80"), ("pod/a", "node/b"), "port 80"),
        (("pod/a", "net 192.0.2.0/24 or pod/x"), ("pod/a",), "net 192.0.2.0/24 or pod/x"),
        (("192.0.2.0/24",), (), "192.0.2.0/24"),
        (("deploy/shop/web", "-w", "/etc/passwd"), ("deploy/shop/web",), "-w /etc/passwd"),
    ],
)
def test_targets_come_first_and_the_rest_is_the_filter(
    words: tuple[str, ...], targets: tuple[str, ...], expression: str
) -> None:
    assert filters.split(words) == (targets, expression)


def test_a_filter_is_one_argument_after_the_options() -> None:
    words = filters.arguments("eth0", Limits(packets=5, snaplen=96), "-w /etc/passwd; rm", "-")
    assert words[-4:] == ["-w", "-", "--", "-w /etc/passwd; rm"]
    assert words[words.index("-c") + 1] == "5"
    assert words[words.index("-s") + 1] == "96"
    assert "--" not in filters.arguments("eth0", Limits(), "", "-")


def test_counts_are_tcpdump_s_own() -> None:
    said = "tcpdump: listening on eth0\n1 packet captured\n12 packets received by filter\n3 packets dropped by kernel\n"
    assert filters.counts(said) == (12, 3)
    assert filters.counts(f"{said}4 packets dropped by interface\n") == (12, 7)
    assert filters.counts("tcpdump: listening on eth0\n") == (None, None)


def test_an_error_is_told_without_what_tcpdump_says_of_itself() -> None:
    assert (
        filters.words_of("tcpdump: nope: No such device exists\n(No such device exists)")
        == "nope: No such device exists"
    )
    assert filters.words_of("tcpdump: listening on eth0\ntcpdump: pcap_loop: gone") == "pcap_loop: gone"
    assert filters.words_of("sh: 1: exec: tcpdump: not found") == "sh: 1: exec: tcpdump: not found"
    assert filters.words_of("") == "it says nothing"


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump: `apt-get install tcpdump`")
def test_this_machine_s_tcpdump_refuses_early_and_leaves_names_to_the_other_one() -> None:
    with pytest.raises(UsageError, match=r"`port 80 and and`: can't parse filter expression: syntax error"):
        filters.check_here("port 80 and and")
    for good in ("", "tcp port 80 and host 192.0.2.1", "host no-such-name.invalid", "port no-such-service"):
        filters.check_here(good)
