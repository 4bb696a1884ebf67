"""Guests beside several pods end together, and an interrupt leaves none behind that was just being made."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ciliumctl import guests
from ciliumctl.clients.kube import ConnectOptions, Kube, connect
from ciliumctl.errors import Interrupted
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter
from tests.world.cluster import FakeCluster
from tests.world.guests import shop
from tests.world.objects import Object, pod

HOW = guests.How(image="registry.example.com/tools:1")


@pytest.fixture
def kube(cluster: FakeCluster, tmp_path: Path) -> Kube:
    shop(cluster)
    cluster.add(pod("api", place="shop"))
    return connect(ConnectOptions(kubeconfig=str(cluster.kubeconfig(tmp_path))), {})


def test_an_interrupt_ends_what_was_being_made_and_nothing_more_is_made(kube: Kube, cluster: FakeCluster) -> None:
    makes: Callable[[Object, Object], None] = cluster.on_ephemeral
    main = threading.main_thread().ident
    assert main is not None

    def slowly(item: Object, container: Object) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.5)
        makes(item, container)

    cluster.on_ephemeral = slowly
    with pytest.raises(KeyboardInterrupt), guests.several(kube, Reporter(lambda _event: None)) as crew:
        # One after the other: the second is not begun when the interrupt comes.
        gather([partial(crew.beside, "shop", name, HOW) for name in ("web", "api")], limit=1)
    names = {}
    for name in ("web", "api"):
        found = cluster.get("pods", name, "shop")
        assert found is not None
        names[name] = [one["name"] for one in found["spec"].get("ephemeralContainers", [])]
    assert (len(names["web"]), len(names["api"])) == (1, 0)
    assert [call.container for call in cluster.calls] == names["web"], "it was told to end"
    with pytest.raises(Interrupted):
        crew.beside("shop", "api", HOW)
