"""How Cilium is set up, in one phrase each, from `cilium-config`."""

from __future__ import annotations

from collections.abc import Mapping


def features(config: Mapping[str, str]) -> dict[str, str]:
    """IPAM, routing, kube-proxy replacement, encryption and Hubble in one phrase each, from `cilium-config`."""
    if not config:
        return {}
    return {
        "ipam": _ipam(config),
        "routing": _routing(config),
        "kube_proxy_replacement": _replacement(config.get("kube-proxy-replacement", "")),
        "encryption": _encryption(config),
        "hubble": "on" if config.get("enable-hubble") == "true" else "off",
        "families": "+".join(family for family in ("ipv4", "ipv6") if config.get(f"enable-{family}") == "true"),
        "cluster": f"{config['cluster-name']} (id {config.get('cluster-id', '0')})" if "cluster-name" in config else "",
    }


def _ipam(config: Mapping[str, str]) -> str:
    mode = config.get("ipam", "")
    if mode not in {"cluster-pool", "cluster-pool-v2beta"}:
        return mode
    pools = [
        f"{config[f'cluster-pool-{family}-cidr']} by /{config.get(f'cluster-pool-{family}-mask-size', '?')}"
        for family in ("ipv4", "ipv6")
        if config.get(f"cluster-pool-{family}-cidr")
    ]
    return f"{mode} {', '.join(pools)}".strip()


def _routing(config: Mapping[str, str]) -> str:
    mode = config.get("routing-mode", "")
    # Before 1.14 one key said both.
    old = config.get("tunnel", "")
    if not mode and old:
        return "native" if old == "disabled" else f"tunnel {old}"
    return f"{mode} {config.get('tunnel-protocol', '')}".strip() if mode == "tunnel" else mode


def _replacement(value: str) -> str:
    return {"true": "on", "strict": "on", "false": "off", "disabled": "off", "": "off"}.get(value, value)


def _encryption(config: Mapping[str, str]) -> str:
    for key, name in (("enable-ipsec", "IPsec"), ("enable-wireguard", "WireGuard"), ("enable-ztunnel", "ztunnel")):
        if config.get(key) == "true":
            nodes = config.get("encrypt-node") == "true" or config.get("node-encryption") == "true"
            return f"{name}, nodes too" if nodes else name
    return "off"
