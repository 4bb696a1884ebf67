"""Lint as a whole: read the files, find the charts, check, translate, write."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from ciliumctl import charts, files
from ciliumctl.clients.helm import Helm, SetFlag
from ciliumctl.clients.web import Web
from ciliumctl.errors import BadFile, ChartNotFound, RepositoryUnreachable, UsageError
from ciliumctl.findings import FailOn
from ciliumctl.report import Reporter
from ciliumctl.values import lint, secrets
from ciliumctl.values.layers import Layer, of_flags
from ciliumctl.values.lint import documents, fixing
from ciliumctl.values.lint.checking import layer_findings
from ciliumctl.values.lint.documents import Document
from ciliumctl.values.lint.facts import Facts
from ciliumctl.values.lint.model import Finding, Fixed, Lint
from ciliumctl.values.paths import split

#: What standard input is called in findings.
STDIN = "<stdin>"
_VERSION = re.compile(r"v?\d+\.\d+(\.\d+([-+][\w.+-]+)?)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked, against which chart, and what is to be done about it."""

    sources: tuple[tuple[str, bytes], ...]
    flags: tuple[SetFlag, ...] = ()
    chart: charts.Request
    coming_from: str = ""
    kube_version: str = lint.KUBERNETES
    fail_on: FailOn = "error"
    fix: bool = False
    write: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What it is done with. Without `helm` nothing is rendered, and flags cannot be read; `render` allows the first."""

    helm: Helm | None
    web: Web
    cache: Path
    report: Reporter
    render: bool = True


def sources(names: Sequence[str], stdin: Callable[[], bytes]) -> tuple[tuple[str, bytes], ...]:
    """The names and the bytes of values files; `-` is standard input. Raises `BadFile`, `UsageError`."""
    if list(names).count("-") > 1:
        raise UsageError("`-` stands there twice, and standard input can be read once", hint="leave one of them out")
    return tuple((STDIN if name == "-" else name, files.content(name, stdin)) for name in names)


def run(wanted: Wanted, means: Means) -> Lint:
    """Check the files, and translate them where that is wanted: then what is told is what is left.

    Raises:
        UsageError: what is asked for makes no sense.
        CiliumctlError: the chart cannot be had.
    """
    chart = chart_of(wanted.chart, means)
    before = _before(wanted, means)
    facts = Facts(chart)
    read = [documents.read(content, name) for name, content in wanted.sources]
    fixed: tuple[Fixed, ...] = ()
    if wanted.fix:
        fixed = tuple(_fixed(document, facts, write=wanted.write) for document in read)
        read = [documents.read(new.text.encode(), new.file) for new in fixed]
    layers: list[Layer] = [document.layer for document in read if document.readable]
    if wanted.flags:
        assert means.helm is not None  # noqa: S101 - the caller brings it where there are flags
        layers += of_flags(wanted.flags, means.helm.merge)
    problems: list[Finding] = [problem for document in read for problem in document.problems]
    with means.report.step("Checking the values"):
        found = lint.check(
            layers,
            chart,
            coming_from=before,
            helm=means.helm if means.render else None,
            kube_version=wanted.kube_version,
            problems=problems,
            fail_on=wanted.fail_on,
            facts=facts,
        )
    return replace(found, fixed=fixed, findings=tuple(_without_secrets(finding) for finding in found.findings))


def _without_secrets(finding: Finding) -> Finding:
    """A finding to show: the file gets the real value, and nobody else."""
    shown = {key: secrets.hidden(value, split(key)) for key, value in finding.translation.items()}
    return replace(finding, translation=shown)


def chart_of(request: charts.Request, means: Means) -> charts.Chart:
    """The chart that is asked for. Raises as `charts.resolve` does."""
    return charts.resolve(request, web=means.web, cache=means.cache, report=means.report, pull=_pull(means))


def _pull(means: Means) -> charts.Pull:
    def pull(reference: str, folder: Path, version: str) -> Path:
        if means.helm is None:
            raise UsageError("without helm no registry can be asked", hint="`ciliumctl tools install helm`")
        return means.helm.pull(reference, folder, version=version)

    return pull


def _before(wanted: Wanted, means: Means) -> str | charts.Chart:
    """The chart to come from; its version alone where the chart cannot be had, and nothing where none was named."""
    given = wanted.coming_from
    if not given:
        return ""
    if not _VERSION.match(given):
        return charts.read(Path(given))
    try:
        return chart_of(charts.Request(version=given, repository=wanted.chart.repository), means)
    except (RepositoryUnreachable, ChartNotFound) as error:
        means.report.note(f"chart {given} is not at hand ({error.message}): rules say which defaults changed")
        return given


def _fixed(document: Document, facts: Facts, *, write: bool) -> Fixed:
    if not document.readable or any(finding.code == "CV005" for finding in document.problems):
        # Nobody can say what it should be.
        return Fixed(file=document.name, text=document.text, changed=False, kept=True)
    done = fixing.fix(document, lambda layer: layer_findings(layer, facts, layer.values))
    if write and done.changed:
        path = Path(done.file).expanduser()
        try:
            backup = "" if done.kept else _backed_up(path)
            files.write_whole(path, done.text)
        except OSError as error:
            raise BadFile(f"`{done.file}` cannot be written: {error.strerror}", hint="name another file") from error
        return replace(done, written=True, backup=backup)
    return done


def _backed_up(path: Path) -> str:
    """Keep a file as it was, comments and all, beside it: under the first name that nothing has. Returns the name."""
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in count())
    backup = next(name for name in names if not name.exists())
    shutil.copy2(path, backup)
    return str(backup)
