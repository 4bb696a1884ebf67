"""Asking the nodes themselves, for the commands that may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.options import option

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.nodefacts import NodeReports

NodeImage = Annotated[
    str,
    option("--node-image", metavar="IMAGE", help="What the pods on the nodes run (default: the agents' own image)"),
]


def reports(session: Session, command: str, *, node_image: str, only: Sequence[str] = ()) -> NodeReports:
    """What the nodes say; a short-lived pod on each. Says beforehand what is made, and takes it away again.

    Raises `UsageError` for a node of `only` that is not there, before anything is made.
    """
    from ciliumctl import nodefacts

    kube = session.kube
    nodefacts.check_names(kube, only)
    session.report.note("a privileged pod looks at each node and is taken away again; it changes nothing there")
    return nodefacts.collect(
        kube,
        namespace=session.settings.namespace,
        values={},
        owner=session.holder(command).who,
        report=session.report,
        node_image=node_image,
        only=only,
    )
