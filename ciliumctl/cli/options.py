"""Options that several commands share, and the short way to declare one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ciliumctl.cli.groups import OptionGroup
from ciliumctl.cli.settings import Choice, parse_duration, parse_size
from ciliumctl.defaults import REPOSITORY


def option(*declarations: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's name
    """An option for `Annotated`: no environment variable and no default in the help (the text says them)."""
    return typer.Option(*declarations, help=help, show_envvar=False, show_default=False, **more)


def argument(*, metavar: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's name
    """An argument for `Annotated`."""
    return typer.Argument(metavar=metavar, help=help, show_envvar=False, show_default=False, **more)


def choice(*words: str, flags: tuple[str, ...], help: str) -> Any:  # noqa: A002 - typer's name
    """An option that takes one of a few words."""
    return option(*flags, help=help, click_type=Choice(*words))


def duration(*declarations: str, help: str) -> Any:  # noqa: A002 - typer's name
    """An option that takes a duration, as seconds."""
    return option(*declarations, help=help, parser=parse_duration, metavar="DURATION")


def size(*declarations: str, help: str) -> Any:  # noqa: A002 - typer's name
    """An option that takes a size, as bytes."""
    return option(*declarations, help=help, parser=parse_size, metavar="SIZE")


def listed(text: str) -> tuple[str, ...]:
    """The words of a list with commas between them; none for an empty text."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


#: Which chart: the version, or the chart itself.
Version = Annotated[
    str, option("--version", metavar="VERSION", help="Chart version: 1.15.6, 1.15 (newest patch), stable or latest")
]
Chart = Annotated[
    str,
    option(
        "--chart",
        metavar="CHART",
        help="Chart folder, .tgz archive or oci:// reference (also as CILIUMCTL_CHART)",
        envvar="CILIUMCTL_CHART",
    ),
]
Repository = Annotated[
    str,
    option(
        "--repository",
        metavar="URL|FOLDER",
        help="Chart repository, or a folder of archives (default: Cilium's own; also as CILIUMCTL_REPOSITORY)",
        envvar="CILIUMCTL_REPOSITORY",
    ),
]

#: Where a forward listens.
Address = Annotated[str, option("--address", metavar="ADDRESS", help="Local address (default: 127.0.0.1)")]
#: Of pods, where a command is about those of users. Cilium's own is the global option of this name, which stands before
#: the command.
PodNamespace = Annotated[
    str,
    option("--namespace", "-n", metavar="NAME", help="Namespace of what names none (default: the context's)"),
]
#: For containers of ours, whose image another registry may have.
ImagePullSecret = Annotated[
    str, option("--image-pull-secret", metavar="NAME", help="Secret, of the pod's namespace, to pull the image with")
]
#: Values for a purpose.
Presets = Annotated[
    list[str] | None,
    option("--preset", metavar="NAME", help="Values for a purpose (`ciliumctl preset list`); repeatable"),
]

#: Values, with Helm's own names.
ValuesFiles = Annotated[
    list[str] | None, option("--values", "-f", metavar="FILE|URL", help="File of Helm values; repeatable")
]
Set = Annotated[list[str] | None, option("--set", metavar="KEY=VALUE", help="One Helm value; repeatable")]
SetString = Annotated[
    list[str] | None, option("--set-string", metavar="KEY=TEXT", help="One Helm value, always a string; repeatable")
]
SetFile = Annotated[
    list[str] | None, option("--set-file", metavar="KEY=FILE", help="One Helm value from a file; repeatable")
]
SetJson = Annotated[
    list[str] | None, option("--set-json", metavar="KEY=JSON", help="One Helm value as JSON; repeatable")
]
#: Which values a change starts from.
ResetValues = Annotated[
    bool, option("--reset-values", help="Start from the chart's own values instead of the release's")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartOptions(OptionGroup):
    """Which chart."""

    version: Version = ""
    chart: Chart = ""
    repository: Repository = REPOSITORY


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesOptions(OptionGroup):
    """Which values."""

    values: ValuesFiles = None
    set: Set = None
    set_string: SetString = None
    set_file: SetFile = None
    set_json: SetJson = None
    preset: Presets = None
