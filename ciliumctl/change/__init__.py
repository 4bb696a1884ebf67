"""Change an installed Cilium: what it is to become, what that does to the network, and the change itself."""

from __future__ import annotations

from ciliumctl.change.perform import Changed, How, late, perform
from ciliumctl.change.target import Target, aim, installed, stored_chart, towards

__all__ = ["Changed", "How", "Target", "aim", "installed", "late", "perform", "stored_chart", "towards"]
