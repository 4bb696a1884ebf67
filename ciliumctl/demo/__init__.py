"""A small application to try a network with: an nginx and its service, reached and tested on every path there is."""

from __future__ import annotations

from ciliumctl.demo.deleting import delete
from ciliumctl.demo.deploying import deploy
from ciliumctl.demo.model import DemoDeleted, DemoDeployed, DemoTest, DemoUrl, Path, Wanted
from ciliumctl.demo.reaching import target, url
from ciliumctl.demo.trying import run

__all__ = [
    "DemoDeleted",
    "DemoDeployed",
    "DemoTest",
    "DemoUrl",
    "Path",
    "Wanted",
    "delete",
    "deploy",
    "run",
    "target",
    "url",
]
