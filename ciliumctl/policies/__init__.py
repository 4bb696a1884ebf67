"""Policies of Kubernetes and Cilium: what they say about a connection, what is wrong with them, whether they hold.

`verdict` and `passage` are pure: they look at a `State`, which `collecting.read` makes of a cluster's objects and
`reading.read` of policies alone.
"""

from __future__ import annotations

from ciliumctl.policies.evaluating import passage, selecting, selects, verdict
from ciliumctl.policies.model import (
    Answer,
    Direction,
    Party,
    Passage,
    Protocol,
    Reason,
    Ref,
    Spec,
    State,
    Verdict,
)

__all__ = [
    "Answer",
    "Direction",
    "Party",
    "Passage",
    "Protocol",
    "Reason",
    "Ref",
    "Spec",
    "State",
    "Verdict",
    "passage",
    "selecting",
    "selects",
    "verdict",
]
