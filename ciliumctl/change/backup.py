"""Back up what a change may break: the release's values and manifest, `cilium-config`, all objects of Cilium.

Written into a folder of its own, for its owner alone, whole or not at all; without the contents of Secrets.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ciliumctl import __version__
from ciliumctl.change import paused
from ciliumctl.clients.helm import Release
from ciliumctl.clients.kube import CONFIG_MAPS, Kube, Manifest, Resource, dig, name_of
from ciliumctl.errors import ClusterError, UsageError
from ciliumctl.permissions import documents
from ciliumctl.report import Reporter
from ciliumctl.sysdump import redact
from ciliumctl.values.paths import join, leaves
from ciliumctl.yaml_files import dump

_GROUP = "cilium.io"
# What the server fills in: an object with it cannot be created anew.
_SERVERS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "ownerReferences")
#: Kinds that agents and the operator make themselves: kept to be looked at, of no use to restore.
MADE_BY_CILIUM = frozenset(
    {"ciliumendpoints", "ciliumendpointslices", "ciliumidentities", "ciliumnodes", "ciliumbgpnodeconfigs"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the back-up goes: into `folder`, or into a new folder below `parent`."""

    parent: Path = Path()
    folder: Path | None = None

    def choose(self, context: str, now: datetime) -> Path:
        """The folder, which does not exist yet. Raises `UsageError`."""
        safe = re.sub(r"[^\w.-]+", "-", context).strip("-") or "cluster"
        path = self.folder or self.parent / f"ciliumctl-backup-{safe}-{now:%Y%m%d-%H%M%S}"
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"`{path}` is there already", hint="name a new folder with `--backup-dir`")
        return path.absolute()


def save(kube: Kube, found: Release, place: Place, report: Reporter, now: datetime) -> Path:
    """Write the back-up and return its folder.

    Raises:
        ClusterError: something cannot be read; UsageError: the folder cannot be written. Nothing is left then.
    """
    path = place.choose(kube.context, now)
    with report.step("Backing up") as step:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A folder of mkdtemp is for its owner alone.
            part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            counts = _fill(kube, found, part, now)
            if path.is_dir():
                path.rmdir()
            part.rename(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        except ClusterError as error:
            error.hint = error.hint or "`--no-backup` goes on without one"
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        count = sum(counts.values())
        objects = f"{count or 'no'} object{'' if count == 1 else 's'} of Cilium"
        step.finish(f"values, manifest and {objects}, in {path}")
    return path


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the back-up cannot be written to `{path}`: {error.strerror}",
        hint="name another folder with `--backup-dir`, or go on without one: `--no-backup`",
    )


def _fill(kube: Kube, found: Release, folder: Path, now: datetime) -> dict[str, int]:
    values, hidden = _without_secrets(paused.own_values(found))
    _write(folder / "values.yaml", dump(values))
    _write(folder / "manifest.yaml", "---\n".join(_manifest(found.manifest)))
    config = kube.find(CONFIG_MAPS, "cilium-config", found.namespace)
    _write(folder / "cilium-config.yaml", dump(_plain(config, CONFIG_MAPS, "ConfigMap")) if config is not None else "")
    facts = {
        "made": now.isoformat(timespec="seconds"),
        "by": f"ciliumctl {__version__}",
        "context": kube.context,
        "release": found.name,
        "namespace": found.namespace,
        "revision": found.revision,
        "status": found.status,
        "chart": found.chart_version,
        "updated": found.updated,
    }
    _write(folder / "release.json", json.dumps(facts, indent=2) + "\n")
    (folder / "objects").mkdir(mode=0o700)
    counts = {
        resource.plural: _objects(kube, resource, kind, folder / "objects" / f"{resource.plural}.json")
        for kind, resource in _kinds(kube).items()
    }
    _write(folder / "README.md", _readme(kube, found, counts, hidden))
    return counts


def _kinds(kube: Kube) -> dict[str, Resource]:
    """Every kind of Cilium, in the version that the server prefers."""
    found: dict[str, Resource] = {}
    for (_version, kind), resource in kube.kinds().items():
        if resource.group == _GROUP:
            found.setdefault(kind, resource)
    return dict(sorted(found.items()))


def _objects(kube: Kube, resource: Resource, kind: str, path: Path) -> int:
    """Write all objects of a kind as a list that `kubectl apply` takes; page by page, so that many are no matter."""
    count = 0
    with _open(path) as out:
        out.write('{"apiVersion": "v1", "kind": "List", "items": [')
        for item in kube.objects(resource):
            out.write(("," if count else "") + "\n" + json.dumps(_plain(item, resource, kind)))
            count += 1
        out.write("\n]}\n")
    if not count:
        path.unlink()
    return count


def _plain(item: Manifest, resource: Resource, kind: str) -> dict[str, Any]:
    """An object as somebody would write it: without what the server fills in."""
    given: Mapping[str, Any] = dig(item, "metadata", default={})
    metadata = {key: value for key, value in given.items() if key not in _SERVERS}
    body = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata, **body}


def _manifest(text: str) -> Iterator[str]:
    try:
        found = documents(text)
    except yaml.YAMLError:
        return
    for item in found:
        if item.get("kind") in redact.NEVER:
            yield f"# {item.get('kind')} {name_of(item)}: its contents are left out\n" + dump(
                {key: value for key, value in item.items() if key not in {"data", "stringData"}}
            )
        else:
            yield dump(dict(item))


def _without_secrets(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values with the secrets in them taken out, and the paths of those."""
    cleaned = redact.manifest({"values": values}) or {}
    kept: dict[str, Any] = cleaned.get("values", {})
    before = dict(leaves(values))
    hidden = [join(path) for path, value in leaves(kept) if value != before.get(path)]
    return kept, sorted(hidden)


def _open(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


def _write(path: Path, text: str) -> None:
    with _open(path) as out:
        out.write(text)


def _readme(kube: Kube, found: Release, counts: Mapping[str, int], hidden: list[str]) -> str:
    users = [kind for kind, count in counts.items() if count and kind not in MADE_BY_CILIUM]
    apply = "\n".join(f"kubectl --context {kube.context} apply --server-side -f objects/{kind}.json" for kind in users)
    listed = "\n".join(f"- {kind}: {count}" for kind, count in counts.items() if count) or "- none"
    missing = (
        "Secrets in the values were left out, and are to be given again: "
        + ", ".join(f"`{path}`" for path in hidden)
        + ".\n\n"
        if hidden
        else ""
    )
    return f"""# Back-up of Cilium {found.chart_version} on {kube.context}

Helm release `{found.name}` in namespace `{found.namespace}`, revision {found.revision}. Contents of Secrets are not in
it; Helm's own revisions in the cluster have them.

To go back while Helm still has revision {found.revision}:

```sh
ciliumctl rollback {found.revision} --context {kube.context} -n {found.namespace}
```

Without it, from the values that are kept here:

```sh
ciliumctl upgrade --context {kube.context} -n {found.namespace} --version {found.chart_version} --allow-downgrade \\
  --reset-values -f values.yaml
```

{missing}Objects of Cilium that people wrote, when they are lost:

```sh
{apply or "# there were none"}
```

`manifest.yaml` is what Helm had applied, `cilium-config.yaml` what agents read when they start, `release.json` which
release it was. Objects that are here, those that Cilium makes itself only to be looked at:

{listed}
"""
