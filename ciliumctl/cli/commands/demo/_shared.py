"""What the commands about the demo application share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.options import option
from ciliumctl.cli.session import Session

if TYPE_CHECKING:
    from ciliumctl.clients.web import Web

#: Not Cilium's namespace: an application is not wanted there.
Namespace = Annotated[
    str, option("--namespace", "-n", metavar="NAME", help="The application's own namespace (default: the context's)")
]


def direct(session: Session) -> Web:
    """A client for addresses of the cluster: no proxy stands between here and them."""
    from ciliumctl.clients.web import Web

    web = Web(environ={})
    web.deadline = session.kube.deadline
    return web
