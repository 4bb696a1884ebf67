"""Names and numbers that several modules share, each with its reason."""

from __future__ import annotations

from pathlib import Path

#: The release's and the workloads' fixed name: Cilium's charts never put the release name into an object's name.
RELEASE = "cilium"
NAMESPACE = "kube-system"
#: Where Cilium publishes its charts.
REPOSITORY = "https://helm.cilium.io"
#: Revisions that Helm keeps; as the official CLI.
HISTORY_MAX = 10
#: Seconds; as the official CLI's `--wait-duration`.
WAIT_SECONDS = 300.0
REPORT_BUGS = "https://github.com/ciliumctl/ciliumctl/issues"


def cache_folder() -> Path:
    """Where downloads, indexes and labs are kept; safe to delete when no lab runs."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ciliumctl", appauthor=False))


def config_file() -> Path:
    """The user's own defaults."""
    import platformdirs

    return Path(platformdirs.user_config_dir("ciliumctl", appauthor=False)) / "config.yaml"
