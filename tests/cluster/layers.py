"""Layers of container images, out of Debian's own files: programs with the libraries they need."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

STAND_INS = Path(__file__).parent / "stand_ins"
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
#: What people expect in a debugging image; busybox brings the rest as links.
PROGRAMS = (
    *("bash", "dash", "curl", "jq", "dig", "ping", "ip", "socat", "iperf3", "tcpdump", "nft", "tc", "ss"),
    *("conntrack", "nc.openbsd"),
    # busybox's own would start its applets (its ping, say) rather than the programs of that name.
    *("timeout", "env", "xargs", "find", "nice", "nohup"),
)
_APPLETS = (
    *("cat", "cp", "cut", "date", "echo", "false", "grep", "head", "hostname", "id", "kill", "ln", "ls"),
    *(
        "mkdir",
        "mount",
        "mv",
        "chroot",
        "zcat",
        "readlink",
        "rmdir",
        "umount",
        "printf",
        "ps",
        "rm",
        "sed",
        "seq",
        "sleep",
        "sort",
        "tail",
        "test",
        "touch",
    ),
    *("tr", "true", "uname", "uniq", "wc", "awk", "basename", "dirname", "dd", "od", "sha1sum", "time"),
    *("httpd", "md5sum", "sha256sum", "stat", "tee", "nslookup", "wget", "netstat", "route", "sysctl", "["),
)
_FOLDERS = ("run", "proc", "sys", "dev", "etc", "usr/bin", "usr/sbin", "var/run", "home/user")
_PYTHON = Path("/usr/bin/python3")
_GRPC = Path("/usr/lib/python3/dist-packages/grpc")
#: Parts of Python's library that no small server needs.
_UNUSED = re.compile(
    r"/(test|tests|idlelib|lib2to3|ensurepip|tkinter|turtledemo|distutils|unittest|pydoc_data|venv|config-[^/]+)(/|$)"
    r"|\.opt-[12]\.pyc$|/_test[^/]*\.so$"
)


@cache
def tools() -> bytes:
    """The tools and the stand-ins' scripts, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for folder in (*_FOLDERS, "tmp"):
            _folder(out, folder, 0o1777 if folder == "tmp" else 0o755)
        for link, target in (("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
            _link(out, link, target)
        programs = [*(_which(name) for name in PROGRAMS), _PYTHON.resolve()]
        files = {*programs, *_python()}
        # What Python loads by itself needs its libraries, too.
        loaded = [file for file in files if file.suffix == ".so"]
        for needed in sorted({*files, *_libraries([*programs, *loaded])}):
            out.add(needed.resolve(), arcname=_inside(needed))
        _link(out, "usr/bin/python3", _PYTHON.resolve().name)
        _link(out, "usr/bin/nc", "nc.openbsd")
        _busybox(out, {path.name for path in programs})
        _scripts(out)
        # Debian's tcpdump becomes a user of that name.
        users = (
            "root:x:0:0:root:/:/bin/sh",
            "user:x:1000:1000:user:/home/user:/bin/sh",
            "tcpdump:x:104:104::/:/bin/sh",
        )
        _text(out, "etc/passwd", "".join(f"{line}\n" for line in users))
        _text(out, "etc/group", "root:x:0:\nuser:x:1000:\ntcpdump:x:104:\n")
        _names_and_certificates(out)
    return buffer.getvalue()


def program(file: Path) -> bytes:
    """One static program, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for folder in ("etc", "tmp", "usr/bin"):
            _folder(out, folder, 0o1777 if folder == "tmp" else 0o755)
        _executable(out, file, f"usr/bin/{re.sub(r'-[0-9.]+$', '', file.name)}")
        _names_and_certificates(out)
    return buffer.getvalue()


def _python() -> list[Path]:
    """Python's library, and gRPC's for the stand-in of Hubble Relay."""
    roots = [Path("/usr/lib") / _PYTHON.resolve().name, _GRPC]
    return [
        file
        for root in roots
        for file in root.rglob("*")
        if file.is_file() and not _UNUSED.search(f"/{file.relative_to(root)}")
    ]


def _busybox(out: tarfile.TarFile, have: set[str]) -> None:
    out.add(_which("busybox"), arcname="usr/bin/busybox")
    for applet in _APPLETS:
        if applet not in have:
            _link(out, f"usr/bin/{applet}", "busybox")
    # busybox's own shell prefers its applets over scripts on PATH.
    _link(out, "usr/bin/sh", "dash")


def _scripts(out: tarfile.TarFile) -> None:
    for file in sorted(path for path in STAND_INS.iterdir() if path.is_file()):
        _executable(out, file, f"usr/bin/{file.name}")
    # The chart calls these by their place in Cilium's image.
    for script in ("init-container.sh", "install-plugin.sh"):
        _link(out, script, f"usr/bin/{script}")


def _executable(out: tarfile.TarFile, file: Path, name: str) -> None:
    info = out.gettarinfo(file, arcname=name)
    info.mode, info.uid, info.gid = 0o755, 0, 0
    with file.open("rb") as content:
        out.addfile(info, content)


def _names_and_certificates(out: tarfile.TarFile) -> None:
    _text(out, "etc/nsswitch.conf", "hosts: files dns\n")
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.is_file():
        out.add(certificates, arcname="etc/ssl/certs/ca-certificates.crt")


def _inside(file: Path) -> str:
    """Where a file goes: Debian's /bin and /lib are links into /usr."""
    path = str(file).lstrip("/")
    return path if path.startswith("usr/") else f"usr/{path}"


def _text(out: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text), 0o644
    out.addfile(info, io.BytesIO(text.encode()))


def _folder(out: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    out.addfile(info)


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
    argv = ["ldd", *(str(program) for program in programs)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    found = {Path(match) for match in re.findall(r"(/\S+) \(0x", said)}
    (libc,) = [path for path in found if path.name == "libc.so.6"]
    return found | set(libc.resolve().parent.glob("libnss_dns*")) | set(libc.resolve().parent.glob("libnss_files*"))
