"""The way from the Cilium that is there to the one that is wanted has been tested."""

from __future__ import annotations

from ciliumctl import versioning
from ciliumctl.checks._model import Check, Finding, Verdict, judged, passed, skipped
from ciliumctl.checks._scene import Scene


def _look(scene: Scene) -> Verdict:
    here, there = scene.version, scene.target.version
    if not here:
        return skipped("no Cilium is there that Helm knows of")
    now, then = versioning.minor_of(here), scene.target.minor
    if versioning.numbers(here) == versioning.numbers(there):
        return passed(f"{here} stays {there}")
    if now[0] != then[0]:
        text = f"{here} and {there} are of different major versions: nothing is known of the way between them"
        return judged([Finding(text=text, severity="warning")], good="", bad=text, hint="read its upgrade guide")
    if then < now:
        return _downwards(here, there, now, then)
    left_out = versioning.between(now, then)
    if left_out:
        via = ", ".join(versioning.named(minor) for minor in left_out)
        text = f"{here} to {there} leaves out {via}: only one minor version at a time is tested"
        first = versioning.named(left_out[0])
        return judged(
            [Finding(text=text)],
            good="",
            bad=text,
            hint=f"go step by step, healthy in between: `ciliumctl preflight --to {first}` checks the next one",
        )
    if then > now:
        shown = versioning.named(now)
        return passed(
            f"{here} to {there} is one minor version up",
            f"the upgrade guide asks for the newest patch of {shown} first: `ciliumctl preflight --to {shown}`",
        )
    return passed(f"{here} to {there}, within {versioning.named(now)}")


def _downwards(here: str, there: str, now: versioning.Minor, then: versioning.Minor) -> Verdict:
    far = now[1] - then[1] > 1
    text = f"{here} to {there} goes {'more than one minor version' if far else 'one minor version'} back"
    return judged(
        [Finding(text=text, severity="error" if far else "warning")],
        good="",
        bad=text,
        hint="only one minor version back is tested, and CRDs are not taken back: new kinds of objects may not be "
        f"readable for {there}",
    )


UPGRADE_PATH = Check(
    id="CIL-UPG-001",
    category="upgrade",
    title="the way to this version goes one minor version at a time",
    why="Cilium tests upgrades and rollbacks between consecutive minor versions only, from the newest patch of each. "
    "Agents of two versions run side by side during an upgrade, and read each other's state.",
    remedy="Upgrade to the newest patch of the current minor version, then to each minor version after it, and wait "
    "for `ciliumctl status --wait` in between.",
    look=_look,
)
