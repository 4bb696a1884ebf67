"""The mirrors that are there, and their end: undone where they are, then taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from functools import partial

from ciliumctl import guests
from ciliumctl.clients.kube import PODS, Kube, Manifest, annotations_of, dig, name_of, namespace_of
from ciliumctl.errors import ApiFailed, CiliumctlError, NotFound, UsageError
from ciliumctl.guests.model import EXPIRES, NOBODY, OWNER, moment
from ciliumctl.mirrors.model import GRACE, LATE, PROGRAM, PURPOSE, Gone, Mirror, MirrorList, MirrorsEnded
from ciliumctl.parallel import gather
from ciliumctl.report import Reporter
from ciliumctl.wait import poll

# What stands before the script's own words in a pod's command: sh -c SCRIPT PROGRAM.
_BEFORE = 4
_AT_ONCE = 16
_PATIENCE = GRACE + 15.0
# How an exec ends that its container takes along (128 and the signal), and the seconds until the pod's state says it.
_TAKEN_ALONG = {137, 143}
_LAG = 10.0


def listed(kube: Kube) -> MirrorList:
    """All mirrors, the ones first that end first. One request."""
    return MirrorList(mirrors=tuple(mirror for mirror, _pods in _found(kube)))


def stop(kube: Kube, names: Collection[str], report: Reporter, *, owner: str = "") -> MirrorsEnded:
    """End mirrors by their names, or those of `owner`, or all of them, and look that nothing is left.

    Three requests a pod, and one for each look until it is gone.

    Raises:
        UsageError: there is no mirror of that name.
    """
    found = {mirror.name: (mirror, pods) for mirror, pods in _found(kube)}
    for name in names:
        if name not in found:
            raise UsageError(f"there is no mirror `{name}`", hint="`ciliumctl capture mirrors` lists them")
    chosen = [one for name, one in found.items() if (name in names if names else owner in {"", one[0].owner})]
    with report.step("Ending mirrors") as step:
        done = gather([partial(_end, kube, pods) for _mirror, pods in chosen], limit=_AT_ONCE)
        gone = tuple(_told(mirror, result) for (mirror, _pods), result in zip(chosen, done, strict=True))
        bad = sum(bool(one.reason) for one in gone)
        step.finish(f"{len(gone) - bad} of {len(gone)}", outcome="failed" if bad else "done")
    return MirrorsEnded(mirrors=gone)


def _found(kube: Kube) -> Iterator[tuple[Mirror, list[Manifest]]]:
    """Each mirror with its pods."""
    by_name: dict[str, list[Manifest]] = {}
    for pod in kube.objects(PODS, labels=f"{guests.LABEL}={PURPOSE}"):
        words = _words(pod)
        if words:
            by_name.setdefault(words[1], []).append(pod)
    made = [(_mirror(name, pods), pods) for name, pods in by_name.items()]
    yield from sorted(made, key=lambda one: one[0].expires)


def _words(pod: Manifest) -> list[str]:
    command: list[str] = dig(pod, "spec", "containers", 0, "command", default=[])
    known = len(command) > _BEFORE + 4 and command[_BEFORE - 1] == PROGRAM
    return command[_BEFORE:] if known else []


def _mirror(name: str, pods: Sequence[Manifest]) -> Mirror:
    # The words of `templates/capture/mirror.sh`.
    ends = {words[0]: words for words in map(_words, pods)}
    some = next(iter(ends.values()))
    source = ends.get("source", [])
    vni, port = (int(source[8]), int(source[9])) if source else (int(some[6]), int(some[7]))
    phases = {dig(pod, "status", "phase", default="Unknown") for pod in pods}
    first = min(moment(annotations_of(pod).get(EXPIRES, "")) for pod in pods)
    whole = len(pods) == (2 if vni else 1)
    state = "running" if whole and phases == {"Running"} else "broken" if "Running" in phases else "ended"
    return Mirror(
        name=name,
        source=some[2],
        target=some[3],
        nodes=tuple(dig(pod, "spec", "nodeName", default="") for pod in pods),
        interface=f"mirror-{name}",
        direction=source[7] if source else "",
        vni=vni,
        port=port if vni else 0,
        expires=(first - timedelta(seconds=LATE)).isoformat(timespec="seconds"),
        owner=annotations_of(pods[0]).get(OWNER, NOBODY),
        pods=tuple(f"{namespace_of(pod)}/{name_of(pod)}" for pod in pods),
        state=state,
    )


def _end(kube: Kube, pods: Sequence[Manifest]) -> None:
    try:
        left = [left for pod in pods if (left := _undo(kube, pod))]
    finally:
        # Whatever came of that: with its pod, the script in it ends and undoes what it did.
        for pod in pods:
            kube.delete(PODS, name_of(pod), namespace_of(pod))
    for pod in pods:
        _wait(kube, pod)
    if left:
        raise ApiFailed("; ".join(left))


def _undo(kube: Kube, pod: Manifest) -> str:
    """Undo what a pod did on its node. Returns what is left, empty for nothing."""
    if dig(pod, "status", "phase", default="") != "Running":
        return ""
    # The words of the pod, with another work.
    command: list[str] = dig(pod, "spec", "containers", 0, "command", default=[])
    node = dig(pod, "spec", "nodeName", default="")
    undo = [*command[:_BEFORE], "undo", *command[_BEFORE + 1 :]]
    try:
        ran = kube.exec(namespace_of(pod), name_of(pod), undo, timeout=_PATIENCE)
    except NotFound:
        # It ended meanwhile, and undid it itself.
        return ""
    except ApiFailed as error:
        return _unknown(kube, pod, error.message, patience=0.0)
    if ran.code in _TAKEN_ALONG:
        # The pod's own script saw that its link is gone: it undoes the rest, and ends.
        return _unknown(kube, pod, f"the look ended with code {ran.code}", patience=_LAG)
    said = ran.text.splitlines() or [f"undoing it ended with code {ran.code}"]
    return f"{said[-1]} on node `{node}`" if ran.code else ""


def _unknown(kube: Kube, pod: Manifest, why: str, *, patience: float) -> str:
    """What is left when an exec does not tell: nothing of a pod that ended, as its script undid it itself."""

    def look() -> bool:
        now = kube.find(PODS, name_of(pod), namespace_of(pod))
        return dig(now, "status", "phase", default="") != "Running"

    if poll(look, bool, deadline=kube.deadline.within(patience), interval=0.5):
        return ""
    return f"nobody knows what is left on node `{dig(pod, 'spec', 'nodeName', default='')}`: {why}"


def _wait(kube: Kube, pod: Manifest) -> None:
    def look() -> bool:
        return kube.find(PODS, name_of(pod), namespace_of(pod)) is None

    if not poll(look, bool, deadline=kube.deadline.within(_PATIENCE), interval=0.5):
        raise ApiFailed(f"pod `{namespace_of(pod)}/{name_of(pod)}` is still being deleted")


def _told(mirror: Mirror, result: object) -> Gone:
    if isinstance(result, Exception) and not isinstance(result, CiliumctlError):
        raise result
    reason = result.message if isinstance(result, CiliumctlError) else ""
    return Gone(name=mirror.name, source=mirror.source, target=mirror.target, reason=reason)
