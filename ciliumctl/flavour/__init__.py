"""What kind of cluster is this, how do we know, and what does that mean for the values?"""

from ciliumctl.flavour.changes import ChangeInfo, ClusterChange, Need, applied_changes, changes_for, needs_of
from ciliumctl.flavour.detect import Conclusion, Detection, detect
from ciliumctl.flavour.facts import Facts, NodeFacts, look

__all__ = [
    "ChangeInfo",
    "ClusterChange",
    "Conclusion",
    "Detection",
    "Facts",
    "Need",
    "NodeFacts",
    "applied_changes",
    "changes_for",
    "detect",
    "look",
    "needs_of",
]
