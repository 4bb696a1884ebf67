"""Container images out of Debian's own files: no registry can be asked, and nothing of Cilium's is in them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

STAND_INS = Path(__file__).parent / "stand_ins"
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
#: What people expect in a debugging image; busybox brings the rest as links.
PROGRAMS = ("bash", "dash", "curl", "jq", "dig", "ping", "ip", "socat", "iperf3", "tcpdump", "nft", "tc", "ss")
_APPLETS = (
    *(
        "cat",
        "cp",
        "cut",
        "date",
        "echo",
        "env",
        "false",
        "grep",
        "head",
        "hostname",
        "id",
        "kill",
        "ln",
        "ls",
        "mkdir",
    ),
    *("mount", "mv", "nc", "printf", "ps", "rm", "sed", "seq", "sleep", "sort", "tail", "test", "touch", "tr", "true"),
    *("uname", "uniq", "wc", "awk", "basename", "dirname", "dd", "od", "find", "xargs", "timeout", "httpd", "md5sum"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image: the names it has, and what runs when the pod names no command."""

    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]


def archive(path: Path, images: Sequence[Image]) -> Path:
    """Write images that share one layer as a docker archive; returns its path."""
    layer = _layer()
    digest = hashlib.sha256(layer).hexdigest()
    part = path.with_suffix(".part")
    manifest = []
    with tarfile.open(part, "w") as out:
        _add(out, f"{digest}/layer.tar", layer)
        for image in images:
            config = json.dumps(
                {
                    "architecture": _architecture(),
                    "os": "linux",
                    "config": {"Entrypoint": list(image.entrypoint), "Env": [f"PATH={PATHS}"], "WorkingDir": "/"},
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                    "history": [{"created_by": "ciliumctl's tests: a stand-in"}],
                }
            ).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(out, name, config)
            manifest.append({"Config": name, "RepoTags": list(image.tags), "Layers": [f"{digest}/layer.tar"]})
        _add(out, "manifest.json", json.dumps(manifest).encode())
    part.replace(path)
    return path


def _architecture() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))


def _layer() -> bytes:
    """The file system: programs with the libraries they need, busybox's links, the stand-ins' scripts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for folder in ("tmp", "run", "proc", "sys", "dev", "etc", "usr/bin", "usr/sbin", "var/run", "home/user"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            out.addfile(info)
        for link, target in (("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
            _link(out, link, target)
        found = [_which(name) for name in PROGRAMS]
        for needed in sorted({*found, *_libraries(found)}):
            out.add(needed.resolve(), arcname=_inside(needed))
        out.add(_which("busybox"), arcname="usr/bin/busybox")
        have = {path.name for path in found}
        for applet in (*_APPLETS, "[", "nslookup", "wget"):
            if applet not in have:
                _link(out, f"usr/bin/{applet}", "busybox")
        # The chart calls these by their place in Cilium's image.
        for script in ("init-container.sh", "install-plugin.sh"):
            _link(out, script, f"usr/bin/{script}")
        # busybox's own shell prefers its applets over scripts on PATH.
        _link(out, "usr/bin/sh", "dash")
        for file in sorted(STAND_INS.iterdir()):
            info = out.gettarinfo(file, arcname=f"usr/bin/{file.name}")
            info.mode, info.uid, info.gid = 0o755, 0, 0
            with file.open("rb") as content:
                out.addfile(info, content)
        _add(out, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")
        _add(out, "etc/group", b"root:x:0:\nuser:x:1000:\n")
        _add(out, "etc/nsswitch.conf", b"hosts: files dns\n")
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")
        if certificates.is_file():
            out.add(certificates, arcname="etc/ssl/certs/ca-certificates.crt")
    return buffer.getvalue()


def _inside(file: Path) -> str:
    """Where a file goes: Debian's /bin and /lib are links into /usr."""
    path = str(file).lstrip("/")
    return path if path.startswith("usr/") else f"usr/{path}"


def _link(out: tarfile.TarFile, name: str, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    out.addfile(info)


def _which(name: str) -> Path:
    found = shutil.which(name, path=PATHS)
    if found is None:
        raise FileNotFoundError(name)
    return Path(found)


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries of programs, the loader among them, and what the C library loads by name."""
    found: set[Path] = set()
    for program in programs:
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        found |= {Path(match) for match in re.findall(r"(/\S+) \(0x", said)}
    (libc,) = [path for path in found if path.name == "libc.so.6"]
    found |= set(libc.resolve().parent.glob("libnss_dns*")) | set(libc.resolve().parent.glob("libnss_files*"))
    return found


def stand_ins(version: str = "1.15.6") -> list[Image]:
    """Images under the names that Cilium's chart of that version asks for."""
    names = ("cilium", "operator-generic", "hubble-relay", "clustermesh-apiserver", "cilium-envoy")
    tags = [f"quay.io/cilium/{name}:v{version}" for name in names]
    return [Image(tags=tuple(tags), entrypoint=("/usr/bin/bash",))]
