"""Mend a release that an operation left half-way: look what is applied, propose one way out, and take it."""

from __future__ import annotations

from ciliumctl.recovery.findings import Findings, look, refuse_if_at_work
from ciliumctl.recovery.perform import How, Recovered, late, perform
from ciliumctl.recovery.proposal import Action, Proposal, propose

__all__ = [
    "Action",
    "Findings",
    "How",
    "Proposal",
    "Recovered",
    "late",
    "look",
    "perform",
    "propose",
    "refuse_if_at_work",
]
