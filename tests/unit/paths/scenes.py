"""Scenes to judge: two pods on two nodes, all well, and what a test changes of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ciliumctl.paths.facts import (
    AgentFacts,
    Backend,
    EndpointFacts,
    NodeFacts,
    PodFacts,
    ProbeFacts,
    Scene,
    ServiceFacts,
    Tried,
)
from ciliumctl.paths.model import Place
from ciliumctl.paths.spelling import parse
from ciliumctl.policies import Answer, Direction, Passage, Reason, Ref, Verdict

HERE, THERE = ("shop", "web"), ("shop", "db")
RULE = Reason(effect="isolates", policy=Ref(kind="NetworkPolicy", namespace="shop", name="shut"))


def pod(key: tuple[str, str], node: str, address: str, **more: Any) -> PodFacts:
    found = PodFacts(
        namespace=key[0],
        name=key[1],
        node=node,
        addresses=(address,),
        host_network=False,
        ready=True,
        containers=("main",),
        ports=(("http", "TCP", 8080),),
    )
    return replace(found, **more)


def said(answer: Answer = "allowed", direction: Direction = "ingress") -> Verdict:
    rules = (RULE,) if answer == "denied" else ()
    return Verdict(answer=answer, direction=direction, why=f"it is {answer}", rules=rules)


def passes(egress: Answer = "allowed", ingress: Answer = "allowed") -> Passage:
    return Passage(egress=said(egress, "egress"), ingress=said(ingress, "ingress"))


def agent(node: str, identity: int = 7, **more: Any) -> AgentFacts:
    return replace(AgentFacts(node=node, identity=identity, peer="", mtu=1500), **more)


def tried(outcome: str, about: str = "pod/shop/db:8080", address: str = "192.0.2.20", port: int = 8080) -> Tried:
    return Tried(about=about, address=address, port=port, outcome=outcome, node="two")


def probed(*tries: Tried, **more: Any) -> ProbeFacts:
    return replace(ProbeFacts(via="container main of pod shop/web", tries=tries or (tried("open"),)), **more)


def well(**more: Any) -> Scene:
    """Everything as it should be."""
    found = Scene(
        source=Place(said="pod/shop/web", kind="pod", name="web", namespace="shop", node="one", address="192.0.2.10"),
        destination=Place(
            said="pod/shop/db:8080", kind="pod", name="db", namespace="shop", node="two", address="192.0.2.20"
        ),
        wanted=parse("pod/shop/db:8080", "default", with_port=True),
        port=8080,
        pods={HERE: pod(HERE, "one", "192.0.2.10"), THERE: pod(THERE, "two", "192.0.2.20")},
        nodes={
            "one": NodeFacts(name="one", ready=True, address="192.0.2.1"),
            "two": NodeFacts(name="two", ready=True, address="192.0.2.2"),
        },
        config={"routing-mode": "tunnel", "enable-wireguard": "true"},
        endpoints={
            HERE: EndpointFacts(id=11, identity=8, state="ready"),
            THERE: EndpointFacts(id=22, identity=7, state="ready"),
        },
        policies={"pod shop/db": passes()},
        agents={"one": agent("one", 7, tunnel="192.0.2.2"), "two": agent("two", 8, tunnel="192.0.2.1")},
        probe=probed(),
    )
    return replace(found, **more)


def behind(*backends: Backend, **more: Any) -> Scene:
    """The same by a service with these backends; the first ready one is looked at."""
    service = ServiceFacts(
        namespace="shop",
        name="db",
        addresses=("192.0.2.100",),
        port=80,
        protocol="TCP",
        ports=("80/TCP",),
        selector={"app": "db"},
        backends=backends,
    )
    scene = well(
        destination=Place(said="svc/shop/db", kind="service", name="db", namespace="shop", address="192.0.2.100"),
        wanted=parse("svc/shop/db", "default", with_port=True),
        port=80,
        service=service,
        backend=next((one for one in backends if one.ready), None),
        probe=None,
    )
    return replace(scene, **more)


def backend(number: int = 20, *, ready: bool = True) -> Backend:
    return Backend(address=f"192.0.2.{number}", port=8080, ready=ready, node="two", namespace="shop", pod="db")
