from __future__ import annotations

import pytest

from ciliumctl.errors import Refused
from ciliumctl.removal import nodes


@pytest.mark.parametrize("path", ["/var/run", "/var/lib", "/run/containers"])
def test_a_run_folder_that_others_may_use_is_not_emptied(path: str) -> None:
    with pytest.raises(Refused, match=path):
        nodes.folders({"daemon": {"runPath": path}})


def test_a_run_folder_of_cilium_s_own_is_taken_as_told() -> None:
    assert nodes.folders({"daemon": {"runPath": "/var/lib/cilium-run"}})["RUN_PATH"] == "/var/lib/cilium-run"
