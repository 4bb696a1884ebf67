"""The options that several of these commands share, and what they make of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.commands import _installing
from ciliumctl.cli.commands.connectivity import _choosing as choosing
from ciliumctl.cli.groups import OptionGroup
from ciliumctl.cli.options import ChartOptions, ValuesOptions, duration, option

if TYPE_CHECKING:
    from ciliumctl.cli.session import Session
    from ciliumctl.clients.helm import Release
    from ciliumctl.migration.gate import Gate
    from ciliumctl.migration.planning import Asked
    from ciliumctl.migration.pods import Allowed
    from ciliumctl.migration.turning import Work

Origin = Annotated[
    # `from` is a word of Python's own: in files the option has its other name.
    str,
    option("--from", "--origin", metavar="CNI", help="flannel, calico or weave (default: the one that is in charge)"),
]
PodCidr = Annotated[
    list[str] | None,
    option("--pod-cidr", metavar="RANGE", help="Range of the new pods (default: the first free one); once a family"),
]
TunnelPort = Annotated[
    int, option("--tunnel-port", metavar="PORT", min=0, max=65535, help="UDP port of Cilium's tunnel (default: 8473)")
]
NodeImage = Annotated[
    str, option("--node-image", metavar="IMAGE", help="What runs on the nodes, instead of the agent's image")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOptions(OptionGroup):
    """What is migrated from, and which network comes."""

    origin: Origin = ""
    pod_cidr: PodCidr = None
    tunnel_port: TunnelPort = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOptions(OptionGroup):
    """What a drain may do, as with `kubectl drain`."""

    force: Annotated[bool, option("--force", help="Delete pods that nothing makes anew")] = False
    delete_emptydir_data: Annotated[
        bool, option("--delete-emptydir-data", help="Move pods with an emptyDir, whose data is lost")
    ] = False
    grace_period: Annotated[
        int, option("--grace-period", metavar="SECONDS", help="For pods to end (default: their own)")
    ] = -1
    drain_timeout: Annotated[
        float, duration("--drain-timeout", help="Longest time to empty one node (default: 5m)")
    ] = 300.0

    def allowed(self) -> Allowed:
        """What it may do."""
        from ciliumctl.migration.pods import Allowed

        return Allowed(
            force=self.force,
            delete_emptydir_data=self.delete_emptydir_data,
            grace=self.grace_period if self.grace_period >= 0 else None,
            seconds=self.drain_timeout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions(OptionGroup):
    """How a node is tested after its turn."""

    test: Annotated[
        bool, option("--test/--no-test", help="Test the node against nodes of both networks (default: yes)")
    ] = True
    skip: choosing.Skip = None
    image: choosing.Images = None
    registry: choosing.Registry = ""
    image_pull_secret: choosing.PullSecret = ""
    node_image: NodeImage = ""

    def gate(self, session: Session, command: str) -> Gate:
        """The gate. Raises `UsageError` for what is none."""
        from ciliumctl.migration.gate import Gate

        settings = choosing.settings(
            images=self.image,
            registry=self.registry,
            pull_secret=self.image_pull_secret,
            node_selector=None,
            tolerations=None,
            single_node=False,
            families="",
            external="",
        )
        return Gate(
            owner=session.holder(command).who.rpartition(" (")[0],
            namespace=session.settings.namespace,
            settings=settings,
            skips=tuple(self.skip or ()),
            on=self.test,
        )


def asked(
    session: Session, which: ChartOptions, given: ValuesOptions, new: NewOptions, drain: DrainOptions, folder: Path
) -> Asked:
    """What is asked for, with the user's own values as Helm merges them; no helm runs where there are none."""
    from ciliumctl import installation
    from ciliumctl.migration import planning
    from ciliumctl.migration.ranges import Wish, parsed
    from ciliumctl.values import presets
    from ciliumctl.values.paths import merge

    for text in new.pod_cidr or ():
        parsed(text)
    wanted = _installing.wanted(session, which, given)
    user = installation.user_inputs(wanted, session.web, folder)
    own = session.helm.merge(user) if user.files or user.flags else {}
    below: dict[str, object] = {}
    for name in wanted.presets:
        below = merge(below, presets.load(name).values)
    return planning.Asked(
        origin=new.origin,
        where=_installing.where(session),
        wish=Wish(ranges=tuple(new.pod_cidr or ()), port=new.tunnel_port),
        own=merge(below, own),
        version=which.version,
        allowed=drain.allowed(),
    )


def work(session: Session, command: str, drain: DrainOptions, test: TestOptions) -> Work:
    """What turns are taken with. Raises `NotFound` where no migration has begun."""
    from ciliumctl.migration import state, turning
    from ciliumctl.migration.finishing import values_of

    gate = test.gate(session, command)
    under_way = state.needed(session.kube)
    return turning.Work(
        kube=session.kube,
        namespace=session.settings.namespace,
        release=session.settings.helm_release_name,
        values=values_of(installed(session)),
        state=under_way,
        gate=gate,
        allowed=drain.allowed(),
        holder=session.holder(command),
        report=session.report,
        node_image=test.node_image,
    )


def installed(session: Session) -> Release:
    """The release that is beside the other CNI. Raises `NotFound` with what makes it."""
    from ciliumctl import change
    from ciliumctl.errors import NotFound

    try:
        return change.installed(session.kube, _installing.where(session), "change values")
    except NotFound as error:
        error.hint = "`ciliumctl migrate start` installs Cilium beside the other CNI; `-n` names another namespace"
        raise
