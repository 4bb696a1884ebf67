"""A staged restart that is under way: the release says `OnDelete`, so that no pod is replaced before its turn.

The mark of it is in the description of the Helm revision: it names the revision before and what the user had set
there, so that any later run can go on or put it back. Helm writes a description only when it is done, so the mark is in
the journal too, from before Helm is asked: there `recover` finds it when Helm was killed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciliumctl.clients.helm import Release, SetFlag
from ciliumctl.values.paths import Path, get, join, put, remove, split

#: Where the update strategies of the parts on every node are in the values.
STRATEGIES: tuple[Path, ...] = (("updateStrategy", "type"), ("envoy", "updateStrategy", "type"))
ON_DELETE = "OnDelete"
#: What is laid over the user's values meanwhile.
FLAGS = tuple(SetFlag(kind="set", text=f"{join(path)}={ON_DELETE}") for path in STRATEGIES)
_MARK = re.compile(r"\[updates paused since revision (?P<revision>\d+)(?:; own (?P<own>[^\]]*))?\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """`since` is the revision from before; `own` are the strategies that the user had set, by path."""

    since: int
    own: Mapping[Path, str]


def mark(since: int, config: Mapping[str, Any]) -> str:
    """What goes into the revision's description. `config` are the user's values."""
    own = [f"{join(path)}={found}" for path in STRATEGIES if (found := get(config, path)) is not None]
    return f"[updates paused since revision {since}{'; own ' + ' '.join(own) if own else ''}]"


def of(release: Release) -> Pause | None:
    """The pause that a release is in; `None` for none."""
    found = _MARK.search(release.description)
    if found is None:
        return None
    own = dict(item.split("=", 1) for item in (found["own"] or "").split())
    return Pause(since=int(found["revision"]), own={split(path): value for path, value in own.items()})


def marked(description: str) -> str:
    """The mark in a description; empty where there is none."""
    found = _MARK.search(description)
    return found[0] if found is not None else ""


def laid_over(config: Mapping[str, Any]) -> bool:
    """Whether values have all that a pause lays over them."""
    return all(get(config, path) == ON_DELETE for path in STRATEGIES)


def own_values(release: Release) -> Mapping[str, Any]:
    """The release's values as the user wants them: without what a pause laid over them."""
    pause = of(release)
    if pause is None:
        return release.config
    values = copy.deepcopy(dict(release.config))
    for path in STRATEGIES:
        remove(values, path)
        if path in pause.own:
            put(values, path, pause.own[path])
    return values


def needs_hands(values: Mapping[str, Any]) -> bool:
    """Whether the user's own values (merged with the chart's) let nothing restart the agents by itself."""
    return bool(get(values, STRATEGIES[0]) == ON_DELETE)
