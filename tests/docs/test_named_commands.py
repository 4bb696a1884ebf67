"""Commands that are named in sentences, hints and templates: they exist, with the options that are named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer._click import Command, Parameter  # noqa: TID251 - the tree is walked as it is

from ciliumctl.cli.settings import global_options
from docs.generating.commands import commands
from tests.docs.test_pages import ALL, named, without_fences
from tests.world.run import HERE

TREE = dict(commands())
EVERYWHERE: list[Parameter] = [*global_options(), *TREE[()].params]
SOURCES = sorted((HERE / "ciliumctl").rglob("*.py"))
TEMPLATES = sorted(path for path in (HERE / "templates").rglob("*") if path.is_file())
#: What a formatted string fills in: nobody knows what stands there.
_FILLED = "\0"
_NAMED = re.compile(r"`(?:[A-Z_]+=\S+ |sudo )?ciliumctl ([^`]+)`")


def in_text(text: str) -> Iterator[str]:
    """What follows `ciliumctl` in backticks, on one line."""
    yield from _NAMED.findall(re.sub(r"\s+", " ", text))


def in_source(text: str) -> Iterator[str]:
    """The same, in the strings of a program."""
    tree = ast.parse(text)
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            said = (str(one.value) if isinstance(one, ast.Constant) else _FILLED for one in node.values)
            yield from in_text("".join(said))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield from in_text(node.value)


def takes_a_value(param: Parameter) -> bool:
    return not getattr(param, "is_flag", False) and not getattr(param, "count", False)


def wrong(text: str) -> Iterator[str]:
    """What is not so about a command: a word that is no command, an option that it does not have."""
    words: tuple[str, ...] = ()
    tokens = iter(re.sub(r"[\[\]()]", " ", text).split())
    for token in tokens:
        if token in {"--", "|", "&&", ">", "#"}:
            return
        if token.startswith("-"):
            known = {flag: param for param in options_of(words) for flag in (*param.opts, *param.secondary_opts)}
            named_here = list(flags(token))
            yield from (f"`{text}`: `{' '.join(words)}` has no `{flag}`" for flag in named_here if flag not in known)
            if "=" not in token and any(flag in known and takes_a_value(known[flag]) for flag in named_here):
                next(tokens, None)
        elif is_group(TREE[words]):
            # A name in capitals, three dots, or what a formatted string fills in.
            if not re.fullmatch(r"[a-z|-]+", token):
                return
            unknown = [one for one in token.split("|") if (*words, one) not in TREE]
            if unknown:
                yield f"`{text}`: no command `{' '.join((*words, unknown[0]))}`"
                return
            words = (*words, token.split("|")[0])


def flags(token: str) -> Iterator[str]:
    """The options in `--a|--b`, `--a/--no-a` or `--a=VALUE`."""
    for one in re.split(r"[|/](?=-)", token):
        name = one.partition("=")[0].rstrip(".,:;")
        if name != "--help" and re.fullmatch(r"-[a-zA-Z]|--[a-z][a-z0-9-]*", name):
            yield name


def is_group(command: Command) -> bool:
    return hasattr(command, "list_commands")


def options_of(words: tuple[str, ...]) -> list[Parameter]:
    return [*EVERYWHERE, *TREE[words].params]


@pytest.mark.parametrize("page", ALL, ids=named)
def test_commands_named_in_a_page_exist(page: Path) -> None:
    found = in_text(without_fences(page.read_text(encoding="utf-8")))
    assert [problem for text in found for problem in wrong(text)] == []


def test_commands_named_in_templates_exist() -> None:
    texts = [text for path in TEMPLATES for text in in_text(path.read_text(encoding="utf-8"))]
    assert texts
    assert [problem for text in texts for problem in wrong(text)] == []


def test_commands_named_in_hints_and_docstrings_exist() -> None:
    texts = [text for path in SOURCES for text in in_source(path.read_text(encoding="utf-8"))]
    assert len(texts) > 100
    assert [problem for text in texts for problem in wrong(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "migrate --from flannel",
        "stats",
        "hubble enable|nothing",
        "-n cilium policies list",
        "status --verbos",
        f"policy explain pod/{_FILLED} --too world",
    ],
)
def test_a_command_that_does_not_exist_is_seen(text: str) -> None:
    assert list(wrong(text))


@pytest.mark.parametrize(
    "text",
    [
        "migrate",
        "migrate plan --from flannel|calico",
        "hubble enable|disable --wait",
        "-n cilium policy list",
        "--context NAME status",
        f"{_FILLED} --anything",
        "capture pod/x -w - 'port 80'",
        "debug shell pod/x -- ip -s --json link",
    ],
)
def test_a_command_that_exists_is_not(text: str) -> None:
    assert list(wrong(text)) == []


def test_commands_are_found_in_formatted_and_broken_strings() -> None:
    text = 'x = f"see `ciliumctl a {b} --c`"\ny = ("then `ciliumctl d "\n  "--e`")\n'
    assert sorted(in_source(text)) == [f"a {_FILLED} --c", "d --e"]
