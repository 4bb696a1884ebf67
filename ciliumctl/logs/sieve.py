"""Which lines are wanted: a pattern, and the least level."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ciliumctl.errors import UsageError
from ciliumctl.logs import levels


def pattern(text: str) -> re.Pattern[str] | None:
    """A regular expression, none for an empty text. Raises `UsageError`."""
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"`--grep {text}` is no regular expression: {error}",
            hint="put a backslash before brackets, dots and stars that are meant as they are",
        ) from error


@dataclass(slots=True, kw_only=True)
class Sieve:
    """What is wanted of one log.

    A line without a level of its own, such as one of a stack trace, has that of the line before it.
    """

    grep: re.Pattern[str] | None = None
    level: str = ""
    _last: str = ""

    def again(self) -> Sieve:
        """The same for another log."""
        return Sieve(grep=self.grep, level=self.level)

    def keep(self, text: str) -> str | None:
        """The line's level when it is wanted, `None` when it is not."""
        self._last = levels.read(text).level or self._last
        if self.level and levels.LEVELS.index(self._last or "info") < levels.LEVELS.index(self.level):
            return None
        return self._last if self.grep is None or self.grep.search(text) else None
