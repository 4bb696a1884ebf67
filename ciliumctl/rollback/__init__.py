"""Go back to an earlier revision: which one, what that breaks, and the way back itself."""

from __future__ import annotations

from ciliumctl.rollback.hazards import Hazard
from ciliumctl.rollback.perform import How, RolledBack, late, perform
from ciliumctl.rollback.preview import WayBack, choose, preview

__all__ = ["Hazard", "How", "RolledBack", "WayBack", "choose", "late", "perform", "preview"]
