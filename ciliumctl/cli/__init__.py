"""The command line: the global options, the commands (loaded when called), the one place where errors end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer._click import Context, HelpFormatter
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from ciliumctl import __version__
from ciliumctl.cli.loading import NO_KIND, CommandGroup, folder_of
from ciliumctl.cli.settings import ENV_PREFIX, global_options, settings_of
from ciliumctl.cli.stderr import forgiven
from ciliumctl.errors import (
    EXIT_CODES,
    CiliumctlError,
    Disconnected,
    Ended,
    HungUp,
    Interrupted,
    Terminated,
    UsageError,
)

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session

HELP = """\
Install Cilium on Kubernetes and run its whole life.

Start here:
  ciliumctl lab up                  a throwaway cluster, when you have none
  ciliumctl install --wait          install Cilium and wait until it is healthy
  ciliumctl status --wait           what runs, what does not, and why
  ciliumctl hubble enable --ui      see the traffic
"""


class Root(CommandGroup):
    """The top: every failure of every command ends here, in the shell and in tests alike."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(folder_of("ciliumctl.cli.commands"), **attributes)
        self.params = [*self.params, *global_options()]

    def main(  # type: ignore[override]  # the standalone mode is always ours
        self, args: Sequence[str] | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and exit with its code."""
        arguments = list(sys.argv[1:] if args is None else args)
        for ours in ("standalone_mode", "prog_name"):
            extra.pop(ours, None)
        code: int = 0
        if "_CILIUMCTL_COMPLETE" in os.environ:
            from typer._completion_classes import completion_init

            completion_init()
        with forgiven(), _signals():
            try:
                code = (
                    super().main(
                        arguments,
                        "ciliumctl",
                        standalone_mode=False,
                        auto_envvar_prefix=ENV_PREFIX,
                        default_map=_from_files(),
                        **extra,
                    )
                    or 0
                )
            except NoArgsIsHelpError as error:
                error.show()
                code = 2
            except ClickException as error:
                code = _usage_error(error, arguments)
            except CiliumctlError as error:
                code = _failed(error, arguments, None)
            except KeyboardInterrupt:
                code = _failed(Interrupted("interrupted"), arguments, None)
            except Terminated as stop:
                code = _failed(_ended(stop), arguments, None)
        sys.exit(code)

    def invoke(self, ctx: Context) -> Any:
        """Run the command; turn what it raises into words and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stopped: CiliumctlError = Interrupted("interrupted", hint=_after_interrupt(ctx))
            raise typer.Exit(_failed(stopped, [], ctx)) from None
        except Terminated as stop:
            stopped = _ended(stop, _after_interrupt(ctx))
            raise typer.Exit(_failed(stopped, [], ctx)) from None
        except CiliumctlError as error:
            raise typer.Exit(_failed(error, [], ctx)) from None
        except (typer.Exit, typer.Abort, ClickException):
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: a bug, said as such
            raise typer.Exit(_bug(error)) from None

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands, the global options and what the exit codes mean."""
        self.format_commands(ctx, formatter)
        rows = [record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section(f"Global options, before or after the command (each also as {ENV_PREFIX}_NAME)"):
            formatter.write_dl(rows)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does."""

    def terminate(_number: int, _frame: object) -> NoReturn:
        raise Terminated

    def hang_up(number: int, _frame: object) -> NoReturn:
        # The system and the shell both send it: the second must not stop the clean-up.
        signal.signal(number, signal.SIG_IGN)
        raise Disconnected

    handlers: dict[int, Callable[[int, object], NoReturn]] = {signal.SIGTERM: terminate}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # Otherwise `nohup` wants us to go on.
        handlers[signal.SIGHUP] = hang_up
    try:
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    except ValueError:
        # Not the main thread: a test, or an embedding program.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(stop: Terminated, hint: str = "") -> Ended:
    if isinstance(stop, Disconnected):
        return HungUp("the terminal is gone (SIGHUP)", hint=hint)
    return Ended("terminated", hint=hint)


def _from_files() -> Mapping[str, Any]:
    from ciliumctl.cli import config_files

    return config_files.default_map(os.environ)


def session_of(ctx: Context) -> Session:
    """The session of this run, made with the options seen so far."""
    from ciliumctl.cli.session import Session

    root = ctx.find_root()
    settings = settings_of(ctx)
    if not isinstance(root.obj, Session) or root.obj.settings != settings:
        root.obj = Session(settings)
        root.call_on_close(root.obj.close)
    return root.obj


def _failed(error: CiliumctlError, arguments: Sequence[str], ctx: Context | None, kind: str = NO_KIND) -> int:
    from ciliumctl.cli.output import write_failure
    from ciliumctl.cli.session import Session
    from ciliumctl.cli.settings import Settings

    if ctx is not None:
        session = session_of(ctx)
        kind = ctx.meta.get("ciliumctl.kind", NO_KIND)
    else:
        session = Session(Settings(output=_wanted_output(arguments)))
    write_failure(kind, error, getattr(error, "result", None), session.settings.output)
    session.explain(error)
    return error.exit_code


def _usage_error(error: ClickException, arguments: Sequence[str]) -> int:
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else "ciliumctl"
    ours = UsageError(error.format_message(), hint=f"`{path} --help`")
    kind = ctx.meta.get("ciliumctl.kind", NO_KIND) if ctx is not None else NO_KIND
    return _failed(ours, arguments, None, kind)


def _wanted_output(arguments: Sequence[str]) -> str:
    """The format asked for on a command line that could not be parsed."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        for known in ("json", "yaml"):
            if word in {f"-o{known}", f"-o={known}", f"--output={known}"}:
                return known
            if word == known and before in {"-o", "--output"}:
                return known
    return os.environ.get(f"{ENV_PREFIX}_OUTPUT", "table")


def _after_interrupt(ctx: Context) -> str:
    """What to do next: work that changes things keeps this up to date."""
    return session_of(ctx).report.resume


def _bug(error: Exception) -> int:
    import traceback

    from ciliumctl.defaults import REPORT_BUGS

    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.write(f"\nThis is a bug in ciliumctl {__version__}. Report it with the lines above: {REPORT_BUGS}\n")
    return 70


app = typer.Typer(
    cls=Root,
    name="ciliumctl",
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    pass


def main() -> NoReturn:
    """The entry point."""
    app()
    raise AssertionError("app() exits")
