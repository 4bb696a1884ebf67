"""Ask from inside a pod of the application: one exec a pod, all addresses at the same time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from ciliumctl.clients.kube import Kube
from ciliumctl.errors import ApiFailed

#: Seconds for one pod.
PATIENCE = 45.0
NO_PROGRAM = 127
_ANSWER = re.compile(r"^@(\d+) (\d+) ?(.*)$", re.MULTILINE)
# Any answer counts, also that there is no such page. Three tries: a service may be a moment behind its pods.
_SCRIPT = """\
get() {
  if command -v curl >/dev/null; then
    curl -sS -o /dev/null --globoff --connect-timeout 3 --max-time 5 "$1" 2>&1
  elif command -v wget >/dev/null; then
    o=$(wget -T 5 -O /dev/null "$1" 2>&1) && return 0
    case $o in *HTTP/*) return 0 ;; esac
    printf '%s' "$o"
    return 1
  else
    echo 'the image has neither curl nor wget'
    return 127
  fi
}
try() {
  for again in 1 2 3; do
    o=$(get "$2")
    c=$?
    if [ $c -eq 0 ] || [ $c -eq 127 ]; then break; fi
    sleep 1
  done
  printf '@%s %s %s\\n' "$1" "$c" "$(printf '%s' "$o" | tail -n 1)"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one address: `None` when it could not be asked."""

    answered: bool | None
    said: str = ""


def ask(kube: Kube, namespace: str, pod: str, urls: Sequence[str]) -> list[Heard]:
    """Ask each of `urls` from a pod. One exec."""
    lines = [f"try {number} {quote(url)} &" for number, url in enumerate(urls)]
    try:
        ran = kube.exec(namespace, pod, ["sh", "-c", "\n".join([_SCRIPT, *lines, "wait"])], timeout=PATIENCE)
    except ApiFailed as error:
        return [Heard(answered=None, said=error.detail or error.message)] * len(urls)
    found = {int(number): (int(code), said.strip()) for number, code, said in _ANSWER.findall(ran.text)}
    return [_heard(found.get(number)) for number in range(len(urls))]


def _heard(answer: tuple[int, str] | None) -> Heard:
    if answer is None:
        return Heard(answered=None, said="the pod did not say")
    code, said = answer
    return Heard(answered=None if code == NO_PROGRAM else code == 0, said=said if code else "")
