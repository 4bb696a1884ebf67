"""`--sysdump-on-failure`: a sysdump while the test's pods are still there. It never changes how the test ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.options import option
from ciliumctl.cli.output import to_json

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.connectivity import Tested
    from ciliumctl.errors import CiliumctlError

OnFailure = Annotated[
    bool, option("--sysdump-on-failure", help="After a failure collect a sysdump, before the pods are removed")
]
File = Annotated[
    str,
    option(
        "--sysdump-file",
        metavar="FILE",
        help="That, into this file (default: ciliumctl-sysdump-DATE-TIME.zip in the current folder)",
    ),
]
#: Seconds that it may take; and those that it gets when the test's own time was up.
_LONGEST = 180.0
_LEAST = 60.0


class Dump:
    """Called when a test failed. `written` is the archive then, `nodes` those that took part."""

    def __init__(self, session: Session, *, wanted: bool, file: str) -> None:
        self._session = session
        self._wanted = wanted
        self._file = file
        self._tried = False
        self.written = ""
        self.nodes: Sequence[str] = ()
        if wanted:
            # What is wrong with the file is told before anything is made.
            self._path()

    def _path(self) -> Path:
        from ciliumctl import sysdump

        return sysdump.free(self._file, datetime.now().astimezone())

    def __call__(self, failed: Sequence[Tested], nodes: Sequence[str]) -> None:
        """Collect it, once; what goes wrong with it is a warning."""
        from ciliumctl import release, sysdump
        from ciliumctl.errors import CiliumctlError
        from ciliumctl.wait import overtime

        self.nodes = nodes
        if not self._wanted or self._tried:
            return
        self._tried = True
        session = self._session
        try:
            wanted = sysdump.Wanted(
                path=self._path(),
                namespace=session.settings.namespace,
                release=session.settings.helm_release_name,
                storage=release.storage(session.environ),
                seconds=_LONGEST,
                extra={"connectivity.json": json.dumps(to_json(tuple(failed)), indent=2) + "\n"} if failed else {},
            )
            with overtime(session.kube, seconds=_LEAST):
                result = sysdump.collect(session.kube, wanted, session.report)
        except CiliumctlError as error:
            session.report.warn(f"there is no sysdump: {error.message}", error.hint)
            return
        self.written = result.file
        partial = sysdump.partial_error(result)
        if partial is not None:
            session.report.warn(f"sysdump: {partial.message}", partial.hint)
        else:
            session.report.note(f"sysdump: `{result.file}`")

    def after(self, error: CiliumctlError) -> None:
        """Collect it for a test that could not begin because of the cluster's state, not of the request."""
        from ciliumctl.errors import Refused

        if isinstance(error, Refused):
            self((), ())
