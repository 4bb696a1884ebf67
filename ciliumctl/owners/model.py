"""What an owner is, and what it says about each thing that somebody may want to do to Cilium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ciliumctl.clients.kube import Manifest, dig, name_of, namespace_of

#: What a command is about to do to the Cilium that is there.
Intention = Literal["install", "upgrade", "change values", "rollback", "uninstall"]
INTENTIONS: tuple[Intention, ...] = ("install", "upgrade", "change values", "rollback", "uninstall")

# Managers of single fields: a restart, a scaled or edited object. They did not deploy it.
_BYSTANDERS = (
    "kube-controller-manager",
    "kubectl-annotate",
    "kubectl-edit",
    "kubectl-label",
    "kubectl-patch",
    "kubectl-rollout",
    "kubectl-scale",
    "kubectl-set",
    "ciliumctl",
    "cilium-operator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What manages Cilium in our place, how we know, and its own command for each intention.

    `adoptable` tells that nothing would undo it when a Helm release took the objects over.
    """

    tool: str
    evidence: tuple[str, ...]
    hints: Mapping[Intention, str]
    adoptable: bool = False

    def hint_for(self, intention: Intention) -> str:
        """How the same is done with the owner's own means."""
        return self.hints[intention]


def hints(
    otherwise: str, *, upgrade: str = "", change: str = "", rollback: str = "", uninstall: str = "", install: str = ""
) -> dict[Intention, str]:
    """A hint for every intention: the one that is given for it, or `otherwise`."""
    return {
        "install": install or otherwise,
        "upgrade": upgrade or otherwise,
        "change values": change or otherwise,
        "rollback": rollback or otherwise,
        "uninstall": uninstall or otherwise,
    }


def described(agent: Manifest) -> str:
    """The agents' DaemonSet in a sentence."""
    return f"DaemonSet `{namespace_of(agent)}/{name_of(agent)}`"


def deployer(agent: Manifest) -> tuple[str, str]:
    """The field manager that deployed the object last, and how (`Apply` or `Update`); empty when nobody knows."""
    fields: list[Manifest] = dig(agent, "metadata", "managedFields", default=[])
    entries = [
        entry
        for entry in fields
        if not entry.get("subresource") and str(entry.get("manager", "")) not in (*_BYSTANDERS, "")
    ]
    if not entries:
        return "", ""
    newest = max(entries, key=lambda entry: str(entry.get("time", "")))
    return str(newest["manager"]), str(newest.get("operation", ""))
