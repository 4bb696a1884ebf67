"""Do policies hold? Connections that must get through, and connections that must not, tried on live pods."""

from __future__ import annotations

from ciliumctl.policies.trying.assertions import Assertion, End, read
from ciliumctl.policies.trying.result import PolicyTest, Tried
from ciliumctl.policies.trying.running import Wanted, rehearse, run

__all__ = ["Assertion", "End", "PolicyTest", "Tried", "Wanted", "read", "rehearse", "run"]
