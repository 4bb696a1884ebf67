"""The global options: declared once, accepted before and after the command, with the place each value came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Typer vendors click since 0.26 and re-exports little of it.
from typer._click import Context, Parameter, types
from typer._click.exceptions import BadParameter
from typer._click.shell_completion import CompletionItem
from typer.core import TyperOption

from ciliumctl import defaults

ENV_PREFIX = "CILIUMCTL"
#: What `-o` knows.
FORMATS = ("table", "wide", "json", "yaml", "name")
#: What it knows of flows, beside those; only `hubble observe` has them.
FLOW_FORMATS = ("compact", "dict", "jsonpb")
_META = "ciliumctl.global"
# The order of the contract: flag, environment, project or user file, default.
_RANK = {"DEFAULT": 0, "DEFAULT_MAP": 1, "ENVIRONMENT": 2, "COMMANDLINE": 3}
_SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of the global options."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = defaults.NAMESPACE
    as_user: str = ""
    as_group: tuple[str, ...] = ()
    helm_release_name: str = defaults.RELEASE
    helm: str = ""
    ca_file: str = ""
    request_timeout: float = 30.0
    timeout: float | None = None
    output: str = "table"
    progress: str = "auto"
    color: str = "auto"
    verbose: int = 0
    quiet: bool = False
    no_input: bool = False
    yes: bool = False
    #: Names of options given on the command line.
    given: frozenset[str] = field(default=frozenset())


class Duration(types.ParamType):
    """A duration such as `90`, `90s`, `5m` or `1h30m`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> float:
        """The number of seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text)
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text):
            self.fail(f"{text!r} is not a duration; write 90s, 5m or 1h30m.", param, ctx)
        return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def parse_duration(text: str) -> float:
    """For `typer.Option(parser=…)`: seconds."""
    return Duration().convert(text, None, None)


def parse_size(text: str) -> int:
    """For `typer.Option(parser=…)`: bytes, of `500M`, `1G`, `200Mi` or a number. A mebibyte is the least.

    Raises:
        BadParameter: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMG])i?B?)?", str(text).strip(), re.IGNORECASE)
    if found is None:
        raise BadParameter(f"{text!r} is not a size; write 500M or 1G.")
    number = round(float(found[1]) * _SIZES[(found[2] or "").upper()])
    if number < _SIZES["M"]:
        raise BadParameter(f"{text!r} is too small; the least is 1M.")
    return number


class Choice(types.ParamType):
    """One of a few words."""

    def __init__(self, *words: str, shown: int | None = None) -> None:
        self.words = words
        self.name = "choice"
        #: How many of them the help shows: the others are some commands' own.
        self.shown = shown

    def get_metavar(self, param: Parameter, ctx: Context) -> str:
        """The words, for the help."""
        return "|".join(self.words[: self.shown])

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        """The word, when it is one of them."""
        if value not in self.words:
            self.fail(f"{value!r} is not one of {', '.join(self.words)}.", param, ctx)
        return str(value)

    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin so."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


def _option(name: str, *declarations: str, help: str, **more: Any) -> TyperOption:  # noqa: A002 - typer's name
    variables = [f"{ENV_PREFIX}_{name.upper()}", *more.pop("also", ())]
    return TyperOption(
        param_decls=[name, *declarations],
        help=help,
        envvar=variables,
        allow_from_autoenv=False,
        expose_value=False,
        callback=remember,
        show_default=False,
        **more,
    )


def remember(ctx: Context, param: Parameter, value: Any) -> Any:
    """Keep the value that has the strongest source: the option may stand before and after the command."""
    name = param.name or ""
    source = ctx.get_parameter_source(name)
    rank = _RANK.get(source.name if source else "DEFAULT", 0)
    kept: dict[str, tuple[int, Any]] = ctx.meta.setdefault(_META, {})
    if rank >= kept.get(name, (0, None))[0] and (rank or name not in kept):
        kept[name] = (rank, value)
    return value


def global_options() -> list[TyperOption]:
    """The global options, new objects each time: click keeps state in them."""
    return [
        _option(
            "kubeconfig", "--kubeconfig", metavar="FILE", help="Kubeconfig file (default: KUBECONFIG, ~/.kube/config)"
        ),
        _option("context", "--context", metavar="NAME", help="Context of the kubeconfig"),
        _option(
            "namespace",
            "--namespace",
            "-n",
            metavar="NAME",
            default=defaults.NAMESPACE,
            also=("CILIUM_NAMESPACE",),
            help=f"Namespace of Cilium (default: {defaults.NAMESPACE})",
        ),
        _option("as_user", "--as", metavar="USER", help="Act as this user, with the API and with Helm"),
        _option("as_group", "--as-group", metavar="GROUP", multiple=True, help="Act as this group too; repeatable"),
        _option(
            "helm_release_name",
            "--helm-release-name",
            metavar="NAME",
            default=defaults.RELEASE,
            help=f"Name of Cilium's Helm release (default: {defaults.RELEASE})",
        ),
        _option("helm", "--helm", metavar="FILE", help="Helm to use (default: the one on PATH, else in our cache)"),
        _option("ca_file", "--ca-file", metavar="FILE", help="More certificate authorities for downloads"),
        _option(
            "request_timeout",
            "--request-timeout",
            type=Duration(),
            default=30.0,
            metavar="DURATION",
            help="Longest time for one request (default: 30s)",
        ),
        _option("timeout", "--timeout", type=Duration(), metavar="DURATION", help="Longest time for the whole command"),
        _option(
            "output",
            "--output",
            "-o",
            type=Choice(*FORMATS, *FLOW_FORMATS, shown=len(FORMATS)),
            default="table",
            help="Format of the result (default: table)",
        ),
        _option(
            "progress",
            "--progress",
            type=Choice("auto", "plain", "json", "none"),
            default="auto",
            help="How progress is shown on stderr (default: auto)",
        ),
        _option(
            "color", "--color", type=Choice("auto", "always", "never"), default="auto", help="Colour (default: auto)"
        ),
        _option(
            "verbose", "--verbose", "-v", count=True, type=int, default=0, help="Show causes (-v) and requests (-vv)"
        ),
        _option(
            "quiet",
            "--quiet",
            "-q",
            is_flag=True,
            default=False,
            help="Show no progress, only errors and warnings about secrets",
        ),
        _option("no_input", "--no-input", is_flag=True, default=False, help="Never ask anything"),
        _option("yes", "--yes", "-y", is_flag=True, default=False, help="Answer every yes-or-no question with yes"),
    ]


def settings_of(ctx: Context) -> Settings:
    """The global options as parsed so far, before and after the command."""
    kept: Mapping[str, tuple[int, Any]] = ctx.meta.get(_META, {})
    values = {name: value for name, (_rank, value) in kept.items() if value is not None}
    if "as_group" in values:
        values["as_group"] = tuple(values["as_group"])
    given = frozenset(name for name, (rank, _value) in kept.items() if rank == _RANK["COMMANDLINE"])
    return Settings(**values, given=given)
