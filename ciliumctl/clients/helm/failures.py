"""Tell Helm's failures apart by what it writes: it has one exit code for all of them.

Each pattern was seen from Helm 3.22 and Helm 4.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ciliumctl.errors import (
    BadFile,
    ChartNotFound,
    ChartRefused,
    CiliumctlError,
    Exists,
    Forbidden,
    HelmCancelled,
    HelmFailed,
    HelmTimedOut,
    Locked,
    NotFound,
    OwnershipConflict,
    ReleaseNotFound,
    RepositoryUnreachable,
    TlsFailed,
    Unauthorized,
    Unreachable,
    UsageError,
    ValuesInvalid,
)

Build = Callable[["re.Match[str]", str], CiliumctlError]


def failure(text: str) -> CiliumctlError:
    """Our error for what Helm wrote; Helm's own text is its detail."""
    text = text.strip()
    for pattern, build in _PATTERNS:
        match = pattern.search(text)
        if match:
            error = build(match, text)
            error.detail = error.detail or text
            return error
    return HelmFailed(f"helm failed: {_last_line(text)}", detail=text)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")]
    line = (errors or lines or ["it gave no reason"])[-1].removeprefix("Error:").strip()
    return re.sub(r"^[A-Z]+ FAILED: ", "", line)


def _schema(_match: re.Match[str], text: str) -> CiliumctlError:
    found = re.findall(r"^- (?:at '(?P<at>[^']*)': )?(.+)$", text, re.MULTILINE)
    problems = [f"`{at.strip('/').replace('/', '.')}`: {what}" if at else what for at, what in found]
    listed = "; ".join(problems) or "see the detail"
    return ValuesInvalid(
        f"the chart does not accept these values: {listed}",
        hint="mend the value in the file or flag that sets it; `ciliumctl values show` shows where each one comes from",
    )


def _refused(match: re.Match[str], _text: str) -> CiliumctlError:
    return ChartRefused(
        f"the chart refuses these values: {match['why'].strip()}",
        hint="change the value that the chart names; `ciliumctl values show` shows where each one comes from",
    )


def _template(match: re.Match[str], _text: str) -> CiliumctlError:
    return ChartRefused(
        f"the chart's template `{match['file']}` cannot be rendered with these values: {match['why'].strip()}",
        hint="check the type of the value it names; `ciliumctl values show` shows where each one comes from",
    )


def _ownership(match: re.Match[str], text: str) -> CiliumctlError:
    owner = re.search(r'must be set to "[^"]*": current value is "([^"]*)"', text)
    whose = f"; it belongs to the release `{owner[1]}`" if owner else ", and no Helm release owns it"
    where = f" in namespace `{match['namespace']}`" if match["namespace"] else ""
    return OwnershipConflict(
        f"{match['kind']} `{match['name']}`{where} exists already{whose}",
        hint="remove what an earlier installation left, or manage Cilium with the tool that made it",
    )


def _forbidden(match: re.Match[str], _text: str) -> CiliumctlError:
    group = f".{match['group']}" if match["group"] else ""
    where = f" in namespace `{match['namespace']}`" if match["namespace"] else " in the whole cluster"
    return Forbidden(
        f"user `{match['user']}` may not {match['verb']} `{match['resource']}{group}`{where}",
        hint="installing Cilium needs the rights of `cluster-admin`; use another context, or ask for them",
    )


_PATTERNS: tuple[tuple[re.Pattern[str], Build], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.MULTILINE), build)
    for pattern, build in (
        (
            r"another operation \(install/upgrade/rollback\) is in progress",
            lambda _m, _t: Locked(
                "another Helm operation on the release is in progress, or was killed in the middle",
                hint="wait for it; `ciliumctl status` shows the release's state",
            ),
        ),
        (
            r"cannot re-?use a name that is still in use",
            lambda _m, _t: Exists("the release exists already", hint="look at it: `ciliumctl status`"),
        ),
        (
            r"unable to create new content in namespace (?P<name>\S+) because it is being terminated",
            lambda m, _t: Locked(
                f"namespace `{m['name']}` is still being deleted",
                hint=f"wait until it is gone (`kubectl get ns {m['name']}`), then run the command again",
            ),
        ),
        (r"values don't meet the specifications of the schema", _schema),
        (
            r"chart requires kubeVersion: (?P<want>.+?) which is incompatible with Kubernetes (?P<have>\S+)",
            lambda m, _t: ChartRefused(
                f"this chart needs Kubernetes {m['want']}, and the cluster runs {m['have']}",
                hint="choose a chart version made for it with `--version`",
            ),
        ),
        (r"execution error at \([^)]*\): (?P<why>.+)$", _refused),
        (
            r"(?P<kind>\w+) \"(?P<name>[^\"]+)\" in namespace \"(?P<namespace>[^\"]*)\" exists and cannot be imported",
            _ownership,
        ),
        (r"template: (?P<file>[^:\s]+):\d+(?::\d+)?:? (?P<why>.*)", _template),
        (
            r"failed (?:to parse|parsing) --set(?:-\w+)? data: (?P<why>.+)$",
            lambda m, _t: UsageError(
                f"a `--set` cannot be understood: {m['why']}",
                hint="write `--set key.path=value`; quote it for the shell",
            ),
        ),
        (
            r"failed to parse (?P<file>\S+): (?P<why>.+)$",
            lambda m, _t: BadFile(f"`{m['file']}` is not a values file: {m['why']}", hint="mend the file"),
        ),
        (
            (
                r"User \"(?P<user>[^\"]*)\" cannot (?P<verb>\S+) resource \"(?P<resource>[^\"]+)\""
                r"(?: in API group \"(?P<group>[^\"]*)\")?(?: in the namespace \"(?P<namespace>[^\"]+)\")?"
            ),
            _forbidden,
        ),
        (
            r"x509: (?P<why>.+)$",
            lambda m, _t: TlsFailed(
                f"helm does not accept the API server's or the repository's certificate: {m['why']}",
                hint="check the kubeconfig's certificate authority, or the registry's",
            ),
        ),
        (
            r"kubernetes cluster unreachable: (?P<why>.+)$|etcdserver: (?P<etcd>.+)$",
            lambda m, _t: Unreachable(
                f"helm cannot reach the cluster: {m['why'] or m['etcd']}",
                hint="check that the cluster runs, then run the command again",
            ),
        ),
        (
            r"the server has asked for the client to provide credentials|\bUnauthorized\b.*cluster",
            lambda _m, _t: Unauthorized("the cluster does not accept helm's credentials", hint="log in again"),
        ),
        (
            r"looks like \"(?P<url>[^\"]+)\" is not a valid chart repository or cannot be reached",
            lambda m, _t: RepositoryUnreachable(
                f"the chart repository `{m['url']}` cannot be reached", hint="check `--repository`, or use `--chart`"
            ),
        ),
        (
            (
                r"chart \"[^\"]+\" (?:matching .* |version \"[^\"]+\" )?not found|no chart version found|"
                r"could not find tag|manifest unknown|: not found$"
            ),
            lambda _m, text: (
                ReleaseNotFound("there is no such release", hint="`ciliumctl status` looks for one")
                if "release: not found" in text
                else ChartNotFound(f"there is no such chart: {_last_line(text)}", hint="check `--version`")
            ),
        ),
        (
            r"pull access denied|denied: |401 Unauthorized|unauthorized: ",
            lambda _m, text: RepositoryUnreachable(
                f"the registry refuses access: {_last_line(text)}", hint="log in: `helm registry login HOST`"
            ),
        ),
        (
            r"timed out waiting for the condition|context deadline exceeded|timeout waiting for",
            lambda _m, _t: HelmTimedOut("helm's time ran out", hint="raise `--timeout`"),
        ),
        (
            r"context canceled|signal: (?:terminated|killed)",
            lambda _m, _t: HelmCancelled("helm was stopped", hint="`ciliumctl status` shows what is there"),
        ),
        (
            r"dial tcp|no such host|connection refused|i/o timeout|network is unreachable",
            lambda _m, text: Unreachable(
                f"helm got no answer: {_last_line(text)}", hint="check the network, then run the command again"
            ),
        ),
        (
            r"namespaces \"(?P<name>[^\"]+)\" not found",
            lambda m, _t: NotFound(f"namespace `{m['name']}` does not exist", hint=f"`kubectl create ns {m['name']}`"),
        ),
    )
)
