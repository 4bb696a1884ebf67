"""Guests: what is put into a cluster for a while to look at things, with tools that the pods there do not have.

A guest is a container beside those of a pod (`beside`), a pod of its own (`alone`) or one with a node's network and
processes (`on_node`). Each has a time after which it ends by itself, and marks by which it is found again.
"""

from __future__ import annotations

from ciliumctl.guests.admission import Admission, admission
from ciliumctl.guests.entering import Wish, enter
from ciliumctl.guests.leaving import end_session, part, stay, undo_on_failure
from ciliumctl.guests.leaving import take_away as leave
from ciliumctl.guests.leftovers import Cleaned, Left, clean, left_over
from ciliumctl.guests.making import alone, beside, on_node
from ciliumctl.guests.model import LABEL, Guest, How, Kind, Profile, default_image
from ciliumctl.guests.result import DebugCleanup, DebugRun, told
from ciliumctl.guests.several import Several, several
from ciliumctl.guests.targets import Target, node_of, resolve

__all__ = [
    "LABEL",
    "Admission",
    "Cleaned",
    "DebugCleanup",
    "DebugRun",
    "Guest",
    "How",
    "Kind",
    "Left",
    "Profile",
    "Several",
    "Target",
    "Wish",
    "admission",
    "alone",
    "beside",
    "clean",
    "default_image",
    "end_session",
    "enter",
    "leave",
    "left_over",
    "node_of",
    "on_node",
    "part",
    "resolve",
    "several",
    "stay",
    "told",
    "undo_on_failure",
]
