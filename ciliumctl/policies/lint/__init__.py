"""What is wrong with policies: in files, in a cluster, or in files for a cluster."""

from __future__ import annotations

from ciliumctl.policies.lint.model import Code, Finding, PolicyLint, codes
from ciliumctl.policies.lint.running import check, in_cluster, in_files

__all__ = ["Code", "Finding", "PolicyLint", "check", "codes", "in_cluster", "in_files"]
