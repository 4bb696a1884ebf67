"""The hand-written pages: their links, their commands, their place in the site."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer  # noqa: TID251 - command lines are parsed as the program does
import yaml
from typer._click import Context  # noqa: TID251
from typer._click.exceptions import NoArgsIsHelpError, UsageError  # noqa: TID251

from docs.generating.commands import command_line
from tests.world.run import HERE

DOCS = HERE / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "changes")
ALL = [
    *PAGES,
    *(path for path in map(HERE.joinpath, ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")) if path.is_file()),
]
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(HERE))


def without_fences(text: str) -> str:
    return _FENCE.sub("", text)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", lambda found: re.sub(r"[\[\]()]", "", found[0]), without_fences(text))


def anchors(path: Path) -> set[str]:
    """The ids that Markdown's table of contents gives to the headings."""
    headings = re.findall(r"^#{1,6} (.+?) *#*$", without_fences(path.read_text(encoding="utf-8")), re.MULTILINE)
    found: set[str] = set()
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
        number = 0
        while (unique := f"{slug}_{number}" if number else slug) in found:
            number += 1
        found.add(unique)
    return found


def links(path: Path) -> Iterator[str]:
    text = without_code(path.read_text(encoding="utf-8"))
    yield from re.findall(r"\]\(([^)\s]+)[^)]*\)", text)


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _hash, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def command_lines(path: Path) -> Iterator[str]:
    """The commands after a `$ ` in the console blocks and all of the `sh` blocks, those within others too."""
    for _indent, language, block in _FENCE.findall(path.read_text(encoding="utf-8")):
        if language not in {"console", "sh"}:
            continue
        for line in re.sub(r"\\\n\s*>?", " ", block).splitlines():
            if language == "sh" or line.strip().startswith("$ "):
                text = line.strip().removeprefix("$ ")
                yield from re.findall(r"[$<]\((ciliumctl [^)]*)\)", text)
                yield re.sub(r"[$<]\([^)]*\)", "x", text)


def ours(text: str) -> Iterator[list[str]]:
    """The arguments of each `ciliumctl` in a shell's line."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>"):
            while words and re.fullmatch(r"[A-Z_]+=.*|sudo", words[0]):
                words.pop(0)
            if words and words[0] == "ciliumctl":
                yield words[1:]
            words = []
        else:
            words.append(word)


def parse(arguments: list[str]) -> None:
    """Parse as the program would, and run nothing. Raises `UsageError`."""
    command: Any = command_line()
    ctx: Context | None = None
    name = "ciliumctl"
    try:
        while True:
            ctx = command.make_context(name, list(arguments), parent=ctx)
            if not hasattr(command, "resolve_command"):
                return
            name, command, arguments = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])  # noqa: SLF001
    except (NoArgsIsHelpError, typer.Exit):
        return


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("CILIUM"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_command_shown_can_be_typed(page: Path) -> None:
    wrong = []
    for text in command_lines(page):
        for arguments in ours(text):
            try:
                parse(arguments)
            except UsageError as error:
                wrong.append(f"{text}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize(
    "arguments", ["install --vershun 1", "inztall", "hubble ui 1 2", "status --timeout soon", "completion"]
)
def test_a_command_that_cannot_be_typed_is_seen(arguments: str) -> None:
    with pytest.raises(UsageError):
        parse(arguments.split())


def test_commands_are_found_behind_pipes_variables_and_in_substitutions(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ A=1 ciliumctl a | jq . > b\n$ export K=$(ciliumctl c --d)\nciliumctl is output\n"
        "$ ciliumctl e \\\n    --f  # g\n$ kubectl get x && sudo ciliumctl h\n```\n",
        encoding="utf-8",
    )
    found = [arguments for text in command_lines(page) for arguments in ours(text)]
    assert found == [["a"], ["c", "--d"], ["e", "--f"], ["h"]]


class SiteLoader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects."""


SiteLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, suffix, _node: suffix)


def entries(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(below)


def test_the_site_lists_every_page_once_and_warns_of_nothing() -> None:
    site = yaml.load((HERE / "mkdocs.yml").read_text(encoding="utf-8"), Loader=SiteLoader)  # noqa: S506 - a safe one
    assert sorted(entries(site["nav"])) == [str(page.relative_to(DOCS)) for page in PAGES]
    assert site["strict"] is True
