"""Clusters with FQDN policies take 1.15.6 or later before 1.16."""

from __future__ import annotations

from ciliumctl import versioning
from ciliumctl.checks import _compatibility as compatibility
from ciliumctl.checks._model import Check, Finding, Verdict, counted, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def needed_version(here: str, there: str) -> str:
    """The version that must be there before the step; empty where it is, or the step is another one."""
    for step in compatibility.table()["steps"]:
        into, needs = versioning.minor_of(step["into"]), step["needs"]
        if here and versioning.minor_of(there) >= into and versioning.below(here, needs):
            return str(needs)
    return ""


def _look(scene: Scene) -> Verdict:
    needed = needed_version(scene.version, scene.target.version)
    if not needed:
        return skipped("this is no step from below 1.15.6 to 1.16 or later")
    policies = scene.fqdn_policies
    if not policies:
        return passed(f"no policy has `toFQDNs`, so {needed} is not needed in between")
    return judged(
        [Finding(text=f"{name} has `toFQDNs`", object=name) for name in policies],
        good="",
        bad=f"{counted(len(policies), 'policy', 'policies')} with `toFQDNs`, and {scene.version} is below {needed}",
        hint=f"upgrade to {needed} or a later 1.15 first: `ciliumctl preflight --to 1.15`",
    )


UPGRADE_FQDN = Check(
    id="CIL-UPG-003",
    category="upgrade",
    title="with FQDN policies 1.15.6 comes before 1.16",
    why="Before 1.15.6 the agent does not write down the identities of names as 1.16 reads them: connections that a "
    "policy with `toFQDNs` allows are dropped during the step.",
    remedy="Upgrade to the newest 1.15 first and let every agent run it, then to 1.16.",
    look=_look,
    reads=("fqdn_policies",),
)
