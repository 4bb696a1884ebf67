"""Cilium's settings: show, compare and change them; `explain` is about ciliumctl's own options."""
