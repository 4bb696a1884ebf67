"""Ask a pod for its metrics: through the API server's proxy, else through a port-forward, and tell how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ciliumctl import agents
from ciliumctl.agents import Agent
from ciliumctl.clients.kube import Kube, PodPort
from ciliumctl.errors import ApiFailed, CiliumctlError, Forbidden, NotFound
from ciliumctl.metrics import listing
from ciliumctl.metrics.text import Exposition, Malformed, parse
from ciliumctl.metrics.topics import Reading
from ciliumctl.parallel import gather

#: How a program was asked.
Way = Literal["proxy", "forward", "exec"]
#: Seconds for one answer, and how many are asked at once: an agent's is 0.2 to 2 MB.
PATIENCE, AT_ONCE = 10.0, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A port of a pod that serves metrics."""

    component: str
    node: str
    namespace: str
    pod: str
    port: int
    path: str = "/metrics"
    tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """What a target answered, or why it did not. `took` is in seconds, `at` on the monotonic clock."""

    target: Target
    exposition: Exposition | None
    error: CiliumctlError | None = None
    way: Way = "proxy"
    took: float = 0.0
    at: float = 0.0


class Scraper:
    """Asks targets, and remembers which way leads to the pods of this cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        #: The ports that the API server does not reach itself: the pod network ends before it, or rights are missing.
        self._behind: set[tuple[str, int]] = set()

    def all(self, targets: Sequence[Target]) -> list[Scraped]:
        """Each target once, a few at a time; one that does not answer holds up no other."""
        return self.gather([partial(self.one, target) for target in targets], targets)

    def gather(self, calls: Sequence[Callable[[], Scraped]], targets: Sequence[Target]) -> list[Scraped]:
        """Run scrapes, a few at a time, and let what fails unexpectedly be that target's failure."""
        found: list[Scraped] = []
        for result, target in zip(gather(calls, limit=AT_ONCE), targets, strict=True):
            if isinstance(result, CiliumctlError):
                found.append(Scraped(target=target, exposition=None, error=result))
            elif isinstance(result, Exception):
                raise result
            else:
                found.append(result)
        return found

    def one(self, target: Target) -> Scraped:
        """What one target answers. Never raises: why it did not is in the answer."""
        none = f"port {target.port} of pod `{target.pod}` serves no metrics"
        return _asked(target, "proxy", lambda: self._text(target), parse, none)

    def _text(self, target: Target) -> tuple[Way, str]:
        place = PodPort(namespace=target.namespace, pod=target.pod, port=target.port)
        key = (target.component, target.port)
        if key not in self._behind:
            try:
                return "proxy", self._kube.proxied(place, target.path, tls=target.tls, timeout=PATIENCE)
            except (ApiFailed, Forbidden, NotFound) as error:
                if "connection refused" in error.message:
                    raise ApiFailed(
                        f"nothing listens at port {target.port} of pod `{target.pod}`", detail=error.message
                    ) from error
                first = error
            if target.tls:
                raise first
            try:
                text = self._kube.fetched(place, target.path, timeout=PATIENCE)
            except CiliumctlError:
                raise first from None
            self._behind.add(key)
            return "forward", text
        return "forward", self._kube.fetched(place, target.path, timeout=PATIENCE)


def by_exec(kube: Kube, agent: Agent) -> Scraped:
    """What an agent says of itself when it is asked by a command; also where no port is open. One exec."""
    target = Target(component="agent", node=agent.node, namespace=agent.namespace, pod=agent.pod, port=0, path="")
    none = f"the agent of node `{agent.node}` listed no metrics"
    command = ["metrics", "list", "-o", "json"]
    return _asked(target, "exec", lambda: ("exec", agents.ask(kube, agent, command)), listing.parse, none)


def _asked(
    target: Target, way: Way, ask: Callable[[], tuple[Way, str]], read: Callable[[str], Exposition], none: str
) -> Scraped:
    """How asking went. `way` is that of what is not answered; `none` is what to say of an answer without metrics."""
    started = time.monotonic()
    try:
        way, text = ask()
        exposition = read(text)
    except Malformed as error:
        failure: CiliumctlError = ApiFailed(f"{none}: {error}")
    except CiliumctlError as error:
        failure = error
    else:
        now = time.monotonic()
        return Scraped(target=target, exposition=exposition, way=way, took=now - started, at=now)
    return Scraped(target=target, exposition=None, error=failure, way=way, took=time.monotonic() - started)


def reading_of(now: Scraped, before: Scraped | None) -> Reading | None:
    """What two scrapes of one target say together; `None` where the last one failed."""
    if now.exposition is None:
        return None
    if before is None or before.exposition is None or before.at == now.at:
        return Reading(node=now.target.node, now=now.exposition)
    return Reading(
        node=now.target.node, now=now.exposition, before=before.exposition, seconds=max(0.001, now.at - before.at)
    )
