"""One connection, tried from a pod: what is run there, and what its end means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ciliumctl.clients.kube import ExecResult
from ciliumctl.policies.trying.assertions import Assertion

# The words of a user are arguments of these, never part of them. bash tells a refusal from silence by what it says;
# `timeout` ends it with 124. In the test of a datagram silence is all that a drop looks like, and a mute server, too.
_TCP = 'timeout "$3" bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$1" "$2"'
_UDP = 'a=$(printf ciliumctl | timeout "$3" nc -u -w "$3" "$1" "$2" | head -c 1 | wc -c); [ "$a" -gt 0 ] || exit 124'
_HTTP = (
    'case $1 in *:*) h="[$1]" ;; *) h=$1 ;; esac; '
    'curl -sS --globoff -o /dev/null -w \'%{http_code}\' -X "$4" --connect-timeout "$3" --max-time "$3" '
    '"http://$h:$2$5"'
)
_MISSING = 127
_CURLS_SILENCE = 28
_SILENCE = 124
#: Seconds beyond those of the probe itself.
_SPARE = 15.0

Run = Callable[[list[str], float], ExecResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened: `said` in words. `through` is whether the packets arrived; `None` when that is not known.

    `silent` is that nothing of the destination's came back, as when Cilium drops; `refused` that the destination itself
    said no: the packets got there.
    """

    said: str
    through: bool | None
    silent: bool = False
    refused: bool = False
    status: int = 0


def probe(run: Run, assertion: Assertion, address: str) -> Seen:
    """Try it once, in whatever `run` runs commands in."""
    script = _HTTP if assertion.method else _UDP if assertion.protocol == "UDP" else _TCP
    words = [address, str(assertion.port), str(assertion.seconds), assertion.method or "-", assertion.path]
    ran = run(["sh", "-c", script, "sh", *words], assertion.seconds + _SPARE)
    said = ran.stderr.decode("utf-8", "replace").strip()
    out = ran.stdout.decode("utf-8", "replace").strip()
    return judged(ran.code, out, said, http=bool(assertion.method))


def judged(code: int, out: str, said: str, *, http: bool) -> Seen:
    """What the end of a probe's command means."""
    words = said.lower()
    if code == 0:
        status = int(out) if http and out.isdigit() else 0
        return Seen(said=f"answered {status}" if status else "connected", through=True, status=status)
    if "refused" in words:
        return Seen(said="refused", through=None, refused=True)
    if "unreachable" in words or "no route" in words or "not permitted" in words or "prohibited" in words:
        # Said on the way: by the source's own kernel, a router, or Cilium where `policyDenyResponse` is `icmp`.
        return Seen(said="unreachable", through=None, silent=True)
    if "resolve" in words or "name or service not known" in words or "name resolution" in words:
        return Seen(said="the name was not found", through=None)
    if code in {_SILENCE, _CURLS_SILENCE} or "timed out" in words or "timeout" in words:
        return Seen(said="timed out", through=None, silent=True)
    last = said.splitlines()[-1] if said else f"exit code {code}"
    if code == _MISSING:
        return Seen(said=f"the pod has not the programs for it: {last}", through=None)
    return Seen(said=last, through=None)
