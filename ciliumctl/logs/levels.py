"""What a line says about itself: its level and its message, in the formats that Cilium's parts write.

- The agent, the operator, the relay and the cluster mesh: logrus up to 1.17, slog since, as `level=info msg="…"` or as
  JSON (`--log-opt format=json`): https://docs.cilium.io/en/stable/operations/troubleshooting/
- Envoy: `[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v`, the chart's `envoy.log.format`; or JSON, `envoy.log.format_json`.
- The Kubernetes libraries inside them: klog, `W0102 15:04:05.000000 1 file.go:12] …`.
- The UI's web server: nginx, `2006/01/02 15:04:05 [warn] …`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

#: From the least to the most.
LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")
_NAMES = {
    **{level: level for level in LEVELS},
    "notice": "info",
    "warn": "warning",
    "err": "error",
    "critical": "fatal",
    "crit": "fatal",
    "alert": "fatal",
    "emerg": "fatal",
    "panic": "fatal",
    "dpanic": "fatal",
    "i": "info",
    "w": "warning",
    "e": "error",
    "f": "fatal",
}
_LEVEL = re.compile(r'\blevel="?(\w+)')
_MESSAGE = re.compile(r'\bmsg=("[^"\\]*(?:\\.[^"\\]*)*"|\S+)')
_OTHERS = (
    # Envoy, with or without the place in its source.
    re.compile(r"\[\d{4}-\d\d-\d\d [\d:.]+\]\[\d+\]\[(?P<level>\w+)\]\[[^\]]*\] (?:\[[^\]]*:\d+\] )?(?P<message>.*)"),
    # klog.
    re.compile(r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]]+\] (?P<message>.*)"),
    # nginx.
    re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>\w+)\] (?P<message>.*)"),
    # What Go says before it ends.
    re.compile(r"(?P<message>(?P<level>panic|fatal)(?: error)?: .*)"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A line's level, empty when it has none, and its message."""

    level: str
    message: str


def read(line: str) -> Said:
    """What a line says about itself."""
    if line.startswith("{"):
        return _json(line)
    level = _LEVEL.search(line)
    if level is not None and line[level.start() - 1 : level.start()] in {"", " "}:
        message = _MESSAGE.search(line)
        return Said(_NAMES.get(level[1].lower(), ""), _unquoted(message[1]) if message else line)
    for pattern in _OTHERS:
        match = pattern.match(line)
        if match is not None:
            return Said(_NAMES.get(match["level"].lower(), ""), match["message"])
    return Said("", line)


def _json(line: str) -> Said:
    try:
        fields = json.loads(line)
    except ValueError:
        return Said("", line)
    if not isinstance(fields, dict):
        return Said("", line)
    level = fields.get("level", fields.get("severity", ""))
    message = fields.get("msg", fields.get("message", line))
    return Said(_NAMES.get(str(level).lower(), ""), str(message))


def _unquoted(word: str) -> str:
    """A word as Go's `%q` wrote it; what is not quoted as JSON would be is taken as it is."""
    if not word.startswith('"'):
        return word
    try:
        return str(json.loads(word))
    except ValueError:
        return word[1:-1]
