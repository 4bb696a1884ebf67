"""Hubble's times: what `--since` takes, and how `--time-format` shows a moment (hubble/pkg/time/time.go)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ciliumctl.errors import UsageError

#: The names that `--time-format` knows.
FORMATS = (
    "StampMilli",
    "YearMonthDay",
    "YearMonthDayHour",
    "YearMonthDayHourMinute",
    "RFC3339",
    "RFC3339Milli",
    "RFC3339Micro",
    "RFC3339Nano",
    "RFC1123Z",
)
_SECOND = 1_000_000_000
_ZONE = r"(?:Z|[+-]\d\d:\d\d)"
_POINT = re.compile(rf"\d{{4}}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d(?:\.\d{{1,9}})?)?)?{_ZONE})?")
_MAIL = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}
_DIGITS = {"RFC3339": 0, "RFC3339Milli": 3, "RFC3339Micro": 6, "RFC3339Nano": 9}
# Words that no locale changes.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def moment(text: str) -> int:
    """A time such as `2026-01-02T03:04:05.678901234Z`, in nanoseconds since 1970; 0 for what is none."""
    body, dot, rest = text.partition(".")
    digits = re.match(r"\d*", rest)[0] if dot else ""  # type: ignore[index]  # it matches everything
    zone = rest[len(digits) :] if dot else ""
    try:
        at = datetime.fromisoformat(f"{body}{zone}")
    except ValueError:
        return 0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp()) * _SECOND + int(f"{digits:0<9}"[:9])


def checked(option: str, text: str) -> str:
    """What `--since` and `--until` give on to Hubble; a number alone is seconds. Raises `UsageError`."""
    if text.isdecimal():
        return f"{text}s"
    if re.fullmatch(f"(?:{_SPAN.pattern})+", text) or _POINT.fullmatch(text) or _MAIL.fullmatch(text):
        return text
    raise UsageError(
        f"`{option} {text}` is no time", hint="write how long ago, such as 90s or 1h30m, or 2026-01-31T12:00:00Z"
    )


def bound(text: str, now: int | None = None) -> int:
    """The moment that a checked `--since` or `--until` means."""
    if _POINT.fullmatch(text):
        date, at, rest = text.partition("T")
        if not at:
            return moment(f"{date}T00:00:00Z")
        clock = re.match(r"[\d:.]+", rest)[0]  # type: ignore[index]  # the pattern says so
        zone = rest[len(clock) :]
        return moment(f"{date}T{clock}{':00' * (2 - clock.count(':'))}{zone}")
    if _MAIL.fullmatch(text):
        return round(parsedate_to_datetime(text).timestamp()) * _SECOND
    span = sum(round(float(number) * _UNITS[unit]) for number, unit in _SPAN.findall(text))
    return (time.time_ns() if now is None else now) - span


def show(at: int, form: str = "StampMilli") -> str:
    """A moment in one of `FORMATS`, in UTC as `hubble` shows it; `N/A` for none."""
    if not at:
        return "N/A"
    seconds, rest = divmod(at, _SECOND)
    when = datetime.fromtimestamp(seconds, UTC)
    day = f"{when:%Y-%m-%d}"
    if form in _DIGITS:
        fraction = f"{rest:09d}"[: _DIGITS[form]].rstrip("0")
        return f"{day}T{when:%H:%M:%S}" + (f".{fraction}" if fraction else "") + "Z"
    if form == "RFC1123Z":
        return f"{_DAYS[when.weekday()]}, {when:%d} {_MONTHS[when.month - 1]} {when:%Y %H:%M:%S} +0000"
    if form.startswith("YearMonthDay"):
        return day + {"YearMonthDay": "", "YearMonthDayHour": f"T{when:%H}Z"}.get(form, f"T{when:%H:%M}Z")
    return f"{_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S}.{rest // 1_000_000:03d}"
