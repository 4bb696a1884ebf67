"""Secrets in what is to be committed: keys and passwords among the values, certificates made while rendering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciliumctl.clients.kube import Manifest, name_of
from ciliumctl.export.model import Form, Subject
from ciliumctl.export.rendering import Rendered
from ciliumctl.report import Reporter
from ciliumctl.values import secrets
from ciliumctl.values.paths import Path, get, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What to beware of, and what to do instead."""

    message: str
    hint: str


def found_in(subject: Subject, form: Form) -> list[Warned]:
    """A warning for each value that looks like a secret; the value itself is never named."""
    return [
        Warned(
            message=f"`{join(path)}` looks like a secret, and stands in what is exported",
            hint=_elsewhere(path, subject, form),
        )
        for path in secrets.found(subject.config)
    ]


def _elsewhere(path: Path, subject: Subject, form: Form) -> str:
    """Where the secret belongs: in a Secret that the chart, or the tool, is told the name of."""
    above: Any = get(subject.chart.values, path[:-1], {})
    if isinstance(above, Mapping) and "existingSecret" in above:
        return f"make a Secret of it in the cluster, and name that in `{join((*path[:-1], 'existingSecret'))}`"
    if form == "flux":
        return (
            "make a Secret of it in the cluster, and name that in the HelmRelease's `spec.valuesFrom`, "
            f"with `targetPath: {join(path)}`"
        )
    if "tls" in path:
        return f"leave it out and let the cluster make it: `--set hubble.tls.auto.method={method(subject)}`"
    return "leave it out, and let Sealed Secrets, External Secrets or SOPS bring it into the cluster as a Secret"


def method(subject: Subject) -> str:
    """The way to certificates that no rendering makes.

    Where the chart's Job for them is a hook, it runs after the relay is ready, which waits for its certificate.
    """
    jobs = [data for name, data in subject.chart.files.items() if name.endswith("hubble/tls-cronjob/job.yaml")]
    hooked = not jobs or any(b"helm.sh/hook" in data for data in jobs)
    return "certmanager" if hooked else "cronJob"


def of_changing(changing: Sequence[Manifest], subject: Subject) -> Warned:
    """The warning for certificates that each rendering makes anew."""
    names = ", ".join(f"`{name_of(item)}`" for item in changing)
    return Warned(
        message=f"each rendering makes new certificates ({names}): what is switched on later gets one of another CA",
        hint=f"let the cluster make them: `--set hubble.tls.auto.method={method(subject)}`",
    )


def warn_of_private_keys(rendered: Rendered, subject: Subject, report: Reporter) -> None:
    """Warn of Secrets in a manifest, which are no secrets any more when it is committed."""
    names = [name_of(item) for item in rendered.objects if item.get("kind") == "Secret" and item.get("data")]
    if names:
        report.warn(
            f"the manifest holds private keys: Secret {', '.join(f'`{name}`' for name in names)}",
            f"let the cluster make them: `--set hubble.tls.auto.method={method(subject)}`, or do not commit them",
            grave=True,
        )
