"""Devices to write to that are nobody else's: as root, a fault in the writer would take the machine's away."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

_NUMBERS = {"null": 3, "full": 7}


def device(folder: Path, name: str) -> Path:
    """A device in `folder` that is as `/dev/null` or `/dev/full`; a link to it for who is not root."""
    path = folder / name
    if os.geteuid() != 0:
        path.symlink_to(f"/dev/{name}")
        return path
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, _NUMBERS[name]))
        os.close(os.open(path, os.O_WRONLY))
    except PermissionError:
        pytest.skip(f"no device can be made in `{folder}`: take another folder with `--basetemp`")
    return path
