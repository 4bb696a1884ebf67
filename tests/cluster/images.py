"""Container images out of Debian's own files: no registry can be asked, and nothing of Cilium's is in them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ciliumctl.parallel import gather_all
from tests.cluster import layers

#: The image that the connectivity suite's pods run, with every tool in it.
PROBE = "docker.io/library/ciliumctl-probe:test"
DNS = "registry.k8s.io/coredns/coredns:v1.15.0"
#: What runs in an image when the chart names no command, by the last part of the image's name.
_ENTRYPOINTS = {"hubble-ui": ("hubble-ui",), "hubble-ui-backend": ("hubble-ui-backend",)}
_VALUES = Path(__file__).parent / "values.yaml"
#: All that has an image of its own is switched on, so that the rendered chart names every image.
_EVERYTHING = ("hubble.relay.enabled", "hubble.ui.enabled", "l7Proxy", "envoy.enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image: the names it has, what runs when the pod names no command, and its files (None: the tools).

    `more` are files on top of those.
    """

    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]
    layer: bytes | None = None
    more: tuple[bytes, ...] = ()


def archive(path: Path, images: Sequence[Image]) -> Path:
    """Write images as one docker archive; equal layers are in it once. Returns its path."""
    part = path.with_suffix(".part")
    manifest = []
    written: set[str] = set()
    with tarfile.open(part, "w") as out:
        for image in images:
            digests = []
            for layer in (layers.tools() if image.layer is None else image.layer, *image.more):
                digest = hashlib.sha256(layer).hexdigest()
                digests.append(digest)
                if digest not in written:
                    _add(out, f"{digest}/layer.tar", layer)
                    written.add(digest)
            config = _config(image, digests)
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            if name not in written:
                _add(out, name, config)
                written.add(name)
            manifest.append(
                {"Config": name, "RepoTags": list(image.tags), "Layers": [f"{digest}/layer.tar" for digest in digests]}
            )
        _add(out, "manifest.json", json.dumps(manifest).encode())
    part.replace(path)
    return path


def probe(agnhost: Path) -> Image:
    """The image of the connectivity suite's pods: Kubernetes' own test server, with the tools of its own image."""
    return Image(tags=(PROBE,), entrypoint=("/usr/bin/agnhost",), more=(layers.program(agnhost),))


def dns(coredns: Path) -> Image:
    """The cluster's DNS server."""
    return Image(tags=(DNS,), entrypoint=("/usr/bin/coredns",), layer=layers.program(coredns))


def stand_ins(charts: Sequence[Path], helm: Path) -> list[Image]:
    """Images under all names that these charts of Cilium ask for, with the values of this folder."""
    rendered = gather_all([partial(_render, chart, helm) for chart in charts])
    names = sorted({name for text in rendered for name in image_names(text)})
    return [Image(tags=(name,), entrypoint=_entrypoint(name)) for name in names]


def image_names(manifests: str) -> set[str]:
    """The images in rendered manifests, without their digests."""
    found = re.findall(r"""^\s*(?:-\s+)?image:\s*["']?([^\s"']+)""", manifests, re.MULTILINE)
    return {name.split("@", maxsplit=1)[0] for name in found}


def _entrypoint(name: str) -> tuple[str, ...]:
    last = name.rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]
    return _ENTRYPOINTS.get(last, ("/usr/bin/bash",))


def _render(chart: Path, helm: Path) -> str:
    switches = [part for key in _EVERYTHING for part in ("--set", f"{key}=true")]
    argv = [str(helm), "template", "cilium", str(chart), "-n", "kube-system", "--kube-version", "1.34.4"]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(
        [*argv, "-f", str(_VALUES), *switches], capture_output=True, text=True, check=False, env=environ
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
    return done.stdout


def _config(image: Image, digests: Sequence[str]) -> bytes:
    config = {"Entrypoint": list(image.entrypoint), "Env": [f"PATH={layers.PATHS}"], "WorkingDir": "/"}
    return json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [{"created_by": "ciliumctl's tests: a stand-in"}],
        }
    ).encode()


def _architecture() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))
