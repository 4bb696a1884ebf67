"""The options that say what is tested, and on what; `test` and `list` share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from ciliumctl.cli.options import choice, option

if TYPE_CHECKING:
    from ciliumctl.connectivity import Settings

Profile = Annotated[
    str,
    choice(
        "smoke",
        "full",
        flags=("--profile",),
        help="smoke (the default): what every network must do, in under a minute; full: everything, policies too",
    ),
]
Test = Annotated[
    list[str] | None,
    option("--test", metavar="REGEX", help="Only tests whose name matches, of any profile; repeatable"),
]
Skip = Annotated[list[str] | None, option("--skip", metavar="REGEX", help="No tests whose name matches; repeatable")]
SingleNode = Annotated[bool, option("--single-node", help="Use one node, also where there are more")]
External = Annotated[
    str, option("--external", metavar="HOST|none", help="A host outside to ask on port 80 (default: none)")
]
Families = Annotated[
    str, option("--ip-families", metavar="LIST", help="ipv4, ipv6 or both (default: all that pods have)")
]
Images = Annotated[
    list[str] | None, option("--image", metavar="NAME=REF", help="Another image, such as probe=REF; repeatable")
]
Registry = Annotated[
    str, option("--registry", metavar="PREFIX", help="Where the images are, in place of their own registry")
]
PullSecret = Annotated[
    str,
    option("--image-pull-secret", metavar="NAME", help="Pull secret, of the test's own namespace's service account"),
]
NodeSelector = Annotated[
    list[str] | None, option("--node-selector", metavar="KEY=VALUE", help="Only nodes with this label; repeatable")
]
Toleration = Annotated[
    list[str] | None,
    option("--toleration", metavar="KEY[=VALUE][:EFFECT]", help="Use nodes with this taint, too; repeatable"),
]

_FAMILIES = {"ipv4": 4, "ipv6": 6, "4": 4, "6": 6}


def settings(
    *,
    images: Sequence[str] | None,
    registry: str,
    pull_secret: str,
    node_selector: Sequence[str] | None,
    tolerations: Sequence[str] | None,
    single_node: bool,
    families: str,
    external: str,
) -> Settings:
    """The bed's settings, checked as far as that needs no cluster. Raises `UsageError`."""
    from ciliumctl.connectivity import Settings

    found = Settings(
        images=_pairs("--image", images),
        registry=registry,
        pull_secret=pull_secret,
        node_selector=_pairs("--node-selector", node_selector),
        tolerations=[_toleration(text) for text in tolerations or ()],
        single_node=single_node,
        families=_families(families),
        external=_host(external),
    )
    found.check()
    return found


def _pairs(flag: str, given: Sequence[str] | None) -> Mapping[str, str]:
    from ciliumctl.errors import UsageError

    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"`{flag} {text}` has no `=`", hint=f"write `{flag} NAME=VALUE`")
        found[name] = value
    return found


def _toleration(text: str) -> Mapping[str, str]:
    rest, _colon, effect = text.partition(":")
    key, equals, value = rest.partition("=")
    found = {"key": key, "operator": "Equal" if equals else "Exists"}
    if equals:
        found["value"] = value
    if effect:
        found["effect"] = effect
    return found


def _families(text: str) -> tuple[int, ...]:
    from ciliumctl.errors import UsageError

    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _FAMILIES:
            raise UsageError(f"`{word}` is no family of addresses", hint="write `--ip-families ipv4,ipv6`")
    return tuple(sorted({_FAMILIES[word] for word in words})) or (4, 6)


def _host(text: str) -> str:
    """A name or an address, nothing that a shell or a URL would read otherwise."""
    import re

    from ciliumctl.errors import UsageError

    if text in {"", "none"}:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", text) and not _ipv6(text):
        hint = "name a host, an IPv4 or an IPv6 address, without `http://`, brackets and a port: port 80 is asked"
        raise UsageError(f"`{text}` is no host", hint=hint)
    return text


def _ipv6(text: str) -> bool:
    import ipaddress

    try:
        # A zone, as in `fe80::1%eth0`, may be any text, and is another one in each pod.
        return not ipaddress.IPv6Address(text).scope_id
    except ValueError:
        return False
