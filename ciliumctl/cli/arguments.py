"""What a command wants to have done to its words before they are parsed; its module says so in `ARGUMENTS`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from typer._click import Context

from ciliumctl.cli.settings import FORMATS

_REST = "ciliumctl.rest"


def as_given(words: list[str]) -> list[str]:
    """The words as they are."""
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What is unusual about a command's words; by default nothing."""

    #: What the words after `--` are in the help, of a command that hands them on; it finds them with `rest_of`.
    rest: str = ""
    #: What becomes of the words first of all.
    rewrite: Callable[[list[str]], list[str]] = as_given
    #: Options that may stand without a value, and the value that they have then.
    bare: Mapping[str, str] = field(default_factory=dict)
    #: The option that a file given to `-o` is meant for.
    file_option: str = ""
    #: Of a group: the command that is meant where none is named.
    default: str = ""

    def settled(self, ctx: Context, words: list[str], values: Collection[str]) -> list[str]:
        """The words to parse. `values` are those that some option takes: behind a bare one they are its value."""
        if self.rest and "--" in words:
            end = words.index("--")
            words, ctx.meta[_REST] = words[:end], tuple(words[end + 1 :])
        words = self.rewrite(words)
        given = [
            f"{word}={self.bare[word]}" if word in self.bare and following not in values else word
            for word, following in zip(words, [*words[1:], ""], strict=False)
        ]
        return list(self._files_apart(given)) if self.file_option else given

    def _files_apart(self, words: list[str]) -> Iterator[str]:
        """`-o plan.json` names a file where the command writes one; a format stays a format."""
        before = ""
        for word, following in zip(words, [*words, ""][1:], strict=True):
            wants_file = word in {"-o", "--output"} and _is_file_name(following)
            # After `--` nothing is an option any more.
            yield self.file_option if wants_file and before != "--" else word
            before = "--" if "--" in {word, before} else word


#: What most commands want.
USUAL = Arguments()


def rest_of(ctx: Context) -> tuple[str, ...]:
    """The words after `--`, of a command that hands them on."""
    words: tuple[str, ...] = ctx.meta.get(_REST, ())
    return words


def _is_file_name(word: str) -> bool:
    return word not in FORMATS and ("/" in word or "." in word) and not word.startswith("-")
