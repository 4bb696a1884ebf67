"""`environment.md`: every variable that the code reads, found in the code; what each is for is said here.

A variable that is read and not explained, or explained and not read, stops the generator.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ciliumctl
from ciliumctl.cli import config_files
from ciliumctl.tools.catalogue import load
from docs.generating.commands import commands
from docs.generating.text import NOTICE, table

PACKAGE = Path(ciliumctl.__file__).parent

#: What each one does. An empty text: it is one of the options' variables, or of the mirrors'.
_ABOUT = {
    "CI": "When set, progress is written line by line, and Helm is fetched without a question when there is none",
    "CILIUMCTL_CACHE": "Folder of downloads, indexes and labs, instead of the user's cache folder",
    "CILIUMCTL_CONFIG": "File of the user's defaults, instead of `config.yaml` in the user's configuration folder",
    "GITHUB_ACTIONS": "When `true`, errors and warnings are written as GitHub's annotations too",
    "GITHUB_STEP_SUMMARY": "File that GitHub shows as the step's summary: a connectivity test is added to it",
    "GOFLAGS": "Kept for Go builds, but for the flags that ciliumctl sets itself",
    "HELM_DRIVER": "Where Helm keeps releases: `secret` (the default) or `configmap`; anything else is refused",
    "HOME": "Where `~/.local/bin` is",
    "KUBECTL_EXTERNAL_DIFF": "Program that shows the differences in the text of `diff`, as with `kubectl diff`",
    "KUBECONFIG": "Kubeconfig files, separated by colons, when `--kubeconfig` is not given",
    "KUBERNETES_SERVICE_HOST": "Address of the API server when ciliumctl runs in a pod and has no kubeconfig",
    "KUBERNETES_SERVICE_PORT": "Port of the API server in the same case",
    "NO_COLOR": "When set and not empty, no colour, unless `--color always`",
    "PATH": "Where programs such as `helm`, `go` and `kind` are found",
    "SHELL": "Which start-up file `tools install` names for the `PATH` line",
    "TERM": "When `dumb`, no colour and no live progress",
    "_CILIUMCTL_COMPLETE": "Set by the completion scripts",
    "no_proxy, NO_PROXY": "Hosts, domains and networks that downloads reach without the proxy",
    "all_proxy, ALL_PROXY": "Proxy for downloads over both http and https",
    "{parts.scheme}_proxy": "",
    "{ENV_PREFIX}_OUTPUT": "",
    "self.mirror_variable": "",
    "name": "",
    "name.upper()": "",
    "variable": "",
}
# Read by a function that is given the name.
_EXTRA = {
    "http_proxy, HTTP_PROXY": "Proxy for downloads over http",
    "https_proxy, HTTPS_PROXY": "Proxy for downloads over https, which all official sites use",
}
_INTRODUCTION = """\
# Environment variables and files of defaults

An option's value is taken from the first of: the flag, its variable, the project's file, the user's file, the default.
`ciliumctl config explain` shows the value of every option and where it comes from.

## Variables of options

Every option has a variable: `CILIUMCTL_` and its name for the global ones, with the command's name in between for the
others, such as `CILIUMCTL_STATUS_WAIT`. [Commands](commands.md) lists them all. A flag's variable takes `1` or `true`
and `0` or `false`; a repeatable option's variable takes several values separated by spaces.

## Other variables

"""
_PROGRAMS = """\
The programs that ciliumctl runs get the whole environment, so their own variables hold too: Helm's (`HELM_*`, but not
`HELM_KUBE*` and `HELM_NAMESPACE`: Helm acts on the cluster, and as the user, that ciliumctl looked at), Go's
(`GOPROXY`, `GOFLAGS`), kind's and the container engine's (`DOCKER_HOST`), those of a kubeconfig's credential plugin.

## Mirrors

Each stands for everything before `/VERSION/FILE` in the official address.

"""
_FILES = """\
## Files of defaults

The project's file is `.ciliumctl.yaml` in the current folder or, inside a Git repository, the nearest one above it,
up to the repository's top. It may not set `helm`, `kubeconfig` or `yes`: a clone must not decide what runs here. The
user's file is `config.yaml` in the configuration folder (`~/.config/ciliumctl` on Linux, `~/Library/Application
Support/ciliumctl` on macOS), or the one that `CILIUMCTL_CONFIG` names. The keys are the options' long names without
the dashes in front; those of a command stand under its name:

```yaml
namespace: cilium
install:
  wait: true
  preset: [hubble]
```

A key that no option has is ignored without a word.
"""


def page(folder: Path = PACKAGE) -> str:
    """All variables."""
    read = set(variables_read(folder))
    unexplained, unread = read - set(_ABOUT), set(_ABOUT) - read
    if unexplained or unread:
        raise SystemExit(f"docs/generating/environment.py: not explained {unexplained}, not read {unread}")
    about = {name: text for name, text in {**_ABOUT, **_EXTRA}.items() if text}
    text = NOTICE + _INTRODUCTION
    text += table(("variable", "meaning"), ((_code(name), about[name]) for name in sorted(about, key=str.lower)))
    text += _PROGRAMS
    mirrors: dict[str, list[str]] = {}
    for tool in load().values():
        if tool.use != "tests":
            mirrors.setdefault(tool.mirror_variable, []).append(f"`{tool.name}` from {tool.base}")
    text += table(("variable", "instead of"), ((f"`{name}`", _sites(of)) for name, of in sorted(mirrors.items())))
    text += _FILES
    renamed = list(_renamed())
    if renamed:
        text += "\nA few options have another key in these files:\n\n" + table(("option", "key"), renamed)
    return text.rstrip() + "\n"


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _sites(entries: list[str]) -> str:
    names = ", ".join(entry.split(" from ")[0] for entry in entries)
    return f"{names} from {entries[0].split(' from ')[1]}"


def _renamed() -> Iterator[tuple[str, str]]:
    """Options whose key in a file is not their long name: the file's own reader says what it takes a key for."""
    found = [
        (" ".join(["ciliumctl", *words]), max(param.opts, key=len), param.name)
        for words, command in commands()
        for param in command.params
        if param.param_type_name == "option" and param.name
    ]
    flags = sorted({flag.removeprefix("--") for _words, flag, _name in found})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text("".join(f'"{flag}": 1\n' for flag in flags), encoding="utf-8")
        taken_for = dict(zip(flags, config_files.read(file), strict=True))
    for words, flag, name in found:
        if taken_for[flag.removeprefix("--")] != name:
            yield f"`{words} {flag}`", f"`{name}`"


def variables_read(folder: Path = PACKAGE) -> Iterator[str]:
    """What the code in a folder takes from the environment: names, or the expressions that make them."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield from _read_by(node)


def _read_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(attr="get", value=where), args=[name, *_]) if _is_environ(where):
            yield from _named(name)
        case ast.Call(func=ast.Name(id="_value"), args=[where, name]) if _is_environ(where):
            for text in _named(name):
                yield text if text.startswith("{") else f"{text}, {text.upper()}"
        case ast.Subscript(value=where, slice=name) if _is_environ(where):
            yield from _named(name)
        case ast.Compare(left=name, ops=[ast.In()], comparators=[where]) if _is_environ(where):
            yield from _named(name)
        case _:
            return


def _is_environ(node: ast.expr) -> bool:
    return ast.unparse(node).lstrip("_").endswith("environ")


def _named(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield ast.unparse(node).removeprefix("f").strip("'\"")
        case _:
            yield ast.unparse(node)
