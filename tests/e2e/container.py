"""A job's container: this machine's programs in a file system of its own, so that a pipeline finds the folders it names.

GitLab's and Tekton's scripts use folders such as `/opt/ciliumctl` and `/workspace`. Here they are in a mount namespace
that ends with the process; nothing is made in this machine's `/`. Needs root, as all of `tests/e2e`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Everything of `/` and `/opt` is seen through but people's homes, and what is named is put over it: pairs of outside
#: and inside.
_SCRIPT = """
set -eu
workdir=$1; user=$2; count=$3; shift 3
root=/mnt
mount -t tmpfs tmpfs "$root"
chmod 755 "$root"
through() {
    for entry in "$1"/*; do
        case "$entry" in /mnt | /opt | /root | /home) continue ;; esac
        if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
        elif [ -d "$entry" ]; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"
        elif [ -f "$entry" ]; then cp -p "$entry" "$root$entry"
        fi
    done
}
through ""
mkdir "$root/opt" "$root/root" "$root/home"
through /opt
while [ "$count" -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
    count=$((count - 1))
done
exec /usr/sbin/chroot --userspec="$user:$user" --groups= "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What one looks like. `folders` are this machine's, by the place where the container sees them.

    `/usr/local` has the Python that runs the tests, as an image of Python has its own there.
    """

    workdir: str
    folders: Mapping[str, Path] = field(default_factory=dict)
    user: int = 0

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` in it."""
        folders = {place: str(folder) for place, folder in self.folders.items()}
        if sys.base_prefix not in {"/usr", "/usr/local"}:
            # And in its own place, where it looks for its library.
            folders = {"/usr/local": sys.base_prefix, sys.base_prefix: sys.base_prefix, **folders}
        pairs = [word for place, folder in folders.items() for word in (folder, place)]
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh"]
        return [*unshare, self.workdir, str(self.user), str(len(folders)), *pairs, *argv]
