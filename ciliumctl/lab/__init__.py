"""A throwaway cluster without a CNI, to try ciliumctl on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ciliumctl.clients.helm import Helm
from ciliumctl.errors import Exists, LabFailed, Missing, NotFound
from ciliumctl.lab import kind, kubeconfig, simulated
from ciliumctl.lab.processes import stop
from ciliumctl.lab.state import Lab, Labs, Provider, checked_name
from ciliumctl.report import Reporter
from ciliumctl.wait import Deadline

__all__ = [
    "DOWN_SECONDS",
    "UP_SECONDS",
    "Ended",
    "Lab",
    "LabList",
    "Labs",
    "Wanted",
    "down",
    "find",
    "listed",
    "provider",
    "up",
]

#: The first start may have to build Kubernetes: minutes.
UP_SECONDS = 3600.0
DOWN_SECONDS = 120.0

Programs = Callable[[Sequence[str]], Mapping[str, Path]]


NODES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What lab to start; `nodes` is None when nobody said how many."""

    name: str
    provider: Literal["auto", "kind", "simulated"] = "auto"
    nodes: int | None = None
    kwok_configs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabList:
    """The labs on this machine."""

    kind: ClassVar[str] = "LabList"

    labs: tuple[Lab, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them run."""
        return all(lab.ok for lab in self.labs)

    @property
    def names(self) -> list[str]:
        """Their names, for `-o name`."""
        return [f"lab/{lab.name}" for lab in self.labs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What `lab down` did; `others` are the labs that are still there."""

    kind: ClassVar[str] = "LabEnded"

    lab: str
    outcome: Literal["ended", "absent"]
    others: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Always: it is gone."""
        return True


def provider(wanted: str, environ: Mapping[str, str]) -> tuple[Provider, str]:
    """The provider to use, and the container engine for `kind`.

    Raises:
        Missing: kind was asked for, and no engine answers.
    """
    if wanted == "simulated":
        return "simulated", ""
    engine = kind.engine(environ)
    if engine:
        return "kind", engine
    if wanted == "kind":
        raise Missing(
            "neither Docker nor Podman answers, and kind needs one of them",
            hint="start the engine, or use `--provider simulated`",
        )
    return "simulated", ""


def up(
    wanted: Wanted,
    *,
    labs: Labs,
    programs: Programs,
    helm: Callable[[Path], Helm],
    into: Path,
    environ: Mapping[str, str],
    deadline: Deadline,
    report: Reporter,
) -> tuple[Lab, bool]:
    """Start a lab and put its context into the kubeconfig `into`; returns it and whether it is new.

    One that runs already is left alone; what an interrupted start left behind is removed first.
    """
    name = checked_name(wanted.name)
    with labs.locked(name):
        known = labs.load(name)
        if known is not None and known.ok:
            _check_same(known, wanted)
            kubeconfig.add(into, known.kubeconfig, known.context)
            return known, False
        if known is not None:
            report.note(f"lab `{name}` is {known.state}: starting it anew")
            stop(known.processes)
            labs.remove(name)
        kubeconfig.check(into, name)
        nodes = wanted.nodes if wanted.nodes is not None else NODES
        choice, engine = provider(wanted.provider, environ)
        if choice == "kind":
            program = programs(["kind"])["kind"]
            lab = kind.up(
                name,
                count=nodes,
                labs=labs,
                program=program,
                with_engine=engine,
                environ=environ,
                deadline=deadline,
                report=report,
            )
        else:
            found = programs([*simulated.PROGRAMS, "helm"])
            lab = simulated.up(
                name,
                count=nodes,
                labs=labs,
                programs=found,
                helm=helm(found["helm"]),
                kwok_configs=wanted.kwok_configs,
                deadline=deadline,
                report=report,
            )
        kubeconfig.add(into, lab.kubeconfig, lab.context)
        return lab, True


def _check_same(known: Lab, wanted: Wanted) -> None:
    """A lab that runs is what was asked for. Raises `Exists`."""
    other_nodes = wanted.nodes not in {None, known.nodes}
    other_provider = wanted.provider not in {"auto", known.provider}
    if other_nodes or other_provider:
        what = f"{known.nodes} nodes" if other_nodes else f"provider {known.provider}"
        raise Exists(
            f"lab `{known.name}` runs already, with {what}",
            hint=f"end it first with `ciliumctl lab down --name {known.name}`, or start another one with `--name`",
        )


def find(name: str, labs: Labs) -> Lab:
    """One lab. Raises `NotFound`."""
    lab = labs.load(checked_name(name))
    if lab is None:
        known = ", ".join(f"`{name}`" for name in labs.names()) or "none"
        raise NotFound(f"there is no lab `{name}`", hint=f"known labs: {known}; start one with `ciliumctl lab up`")
    return lab


def listed(labs: Labs) -> LabList:
    """All labs."""
    return LabList(labs=tuple(lab for name in labs.names() if (lab := labs.load(name)) is not None))


def down(
    name: str,
    *,
    labs: Labs,
    programs: Programs,
    into: Path,
    environ: Mapping[str, str],
    deadline: Deadline,
    report: Reporter,
) -> Ended:
    """End a lab, delete its files and take its context out of the kubeconfig `into`; none of that name is fine."""
    with labs.locked(checked_name(name)):
        lab = labs.load(name)
        if lab is None:
            return Ended(lab=name, outcome="absent", others=tuple(labs.names()))
        with report.step(f"Ending lab `{name}`"):
            if lab.provider == "kind":
                engine = kind.engine(environ) or kind.ENGINES[0]
                kind.down(
                    name, program=programs(["kind"])["kind"], with_engine=engine, environ=environ, deadline=deadline
                )
            # Nothing in a throwaway cluster is worth the API server's slow farewell.
            left = stop(lab.processes, grace=1.0)
            if left:
                raise LabFailed(
                    f"these programs of lab `{name}` would not end: {', '.join(str(one.pid) for one in left)}",
                    hint="end them by hand, then run the command again",
                )
            kubeconfig.remove(into, lab.context)
            labs.remove(name)
    return Ended(lab=name, outcome="ended", others=tuple(labs.names()))
