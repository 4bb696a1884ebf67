"""Print the completion script for a shell.

Examples:
  source <(ciliumctl completion bash)
  ciliumctl completion zsh > "${fpath[1]}/_ciliumctl"
  ciliumctl completion fish > ~/.config/fish/completions/ciliumctl.fish
"""

from __future__ import annotations

from typing import Annotated

from ciliumctl.cli.options import argument
from ciliumctl.cli.output import emit
from ciliumctl.errors import UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")


def command(shell: Annotated[str, argument(metavar="SHELL", help=f"One of {', '.join(SHELLS)}")]) -> None:
    """Print it."""
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise UsageError(f"there is no completion for `{shell}`", hint=f"choose one of {', '.join(SHELLS)}")
    script = get_completion_script(prog_name="ciliumctl", complete_var="_CILIUMCTL_COMPLETE", shell=shell)
    emit(script + "\n")
