from __future__ import annotations

from dataclasses import replace

import pytest

from ciliumctl.errors import Refused, UsageError
from ciliumctl.migration import ranges
from ciliumctl.migration.ranges import Taken, Wish
from tests.world.migration import FLANNEL

FREE = Taken(ranges=(("10.244.0.0/16", "the pods of Flannel"), ("10.96.0.0/12", "the services")))


def test_the_range_of_ciliums_own_guide_is_taken_where_it_is_free() -> None:
    found = ranges.choose(FLANNEL, FREE, 3, Wish())
    assert found.ranges == ("10.245.0.0/16",)
    assert found.block == 24


def test_the_first_range_that_overlaps_with_nothing_is_taken() -> None:
    taken = Taken(ranges=(*FREE.ranges, ("10.240.0.0/12", "the nodes"), ("10.0.0.0/16", "the nodes")))
    assert ranges.choose(FLANNEL, taken, 3, Wish()).ranges == ("10.1.0.0/16",)


@pytest.mark.parametrize(("nodes", "prefix"), [(3, 16), (100, 16), (200, 15), (1000, 13), (3000, 11)])
def test_a_large_cluster_gets_a_large_range_with_room_to_grow(nodes: int, prefix: int) -> None:
    found = ranges.parsed(ranges.choose(FLANNEL, FREE, nodes, Wish()).ranges[0])
    assert found.prefixlen == prefix
    assert 1 << (24 - found.prefixlen) >= 2 * nodes


def test_without_any_free_range_it_says_which_option_names_one() -> None:
    taken = Taken(ranges=tuple((text, "somebody") for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
    with pytest.raises(Refused) as caught:
        ranges.choose(FLANNEL, taken, 3, Wish())
    assert "`--pod-cidr`" in caught.value.hint


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish(ranges=("10.244.128.0/20",)), "overlaps with the pods of Flannel (10.244.0.0/16)"),
        (Wish(ranges=("10.245.0.0/24",)), "has room for 1 nodes of /24 each, and there are 3"),
        (Wish(ranges=("10.245.0.0/26",)), "has room for 0 nodes"),
        (Wish(ranges=("fd00:10:245::/104",)), "Flannel has IPv4, and the new network would have IPv6"),
        (Wish(ranges=("10.245.0.0/16", "fd00:10:245::/104")), "a migration changes no family"),
        (Wish(port=8472), "`--tunnel-port 8472` is Flannel's"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(wish: Wish, why: str) -> None:
    taken = replace(FREE, ports=((8472, "Flannel"),))
    with pytest.raises(Refused) as caught:
        ranges.choose(FLANNEL, taken, 3, wish)
    assert why in caught.value.message


def test_a_network_of_both_families_wants_a_range_of_each() -> None:
    both = replace(FLANNEL, ranges=("10.244.0.0/16", "fd00:10:244::/56"))
    with pytest.raises(Refused) as caught:
        ranges.choose(both, FREE, 3, Wish())
    assert "one range of each" in caught.value.hint
    found = ranges.choose(both, FREE, 3, Wish(ranges=("10.245.0.0/16", "fd00:10:245::/104")))
    assert ranges.families(found.ranges) == (4, 6)


@pytest.mark.parametrize("text", ["10.245.0.1/16", "pods", "10.245.0.0/40"])
def test_what_is_no_range_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        ranges.choose(FLANNEL, FREE, 3, Wish(ranges=(text,)))


def test_a_port_that_somebody_has_is_passed_over() -> None:
    taken = replace(FREE, ports=((8472, "Flannel"), (8473, "something else")))
    found = ranges.choose(FLANNEL, taken, 3, Wish())
    assert found.port == 8474
    assert "nothing that the API server knows of" in found.why[0]
    assert "Flannel has 8472" in found.why[-1]


def test_the_shares_of_nodes_are_joined_to_the_pool_that_they_come_from() -> None:
    assert ranges.collapsed(["10.244.2.0/24", "10.244.0.0/24", "no range", "fd00::1:0/112", "fd00::2:0/112"]) == (
        "10.244.0.0/22",
        "fd00::/110",
    )
