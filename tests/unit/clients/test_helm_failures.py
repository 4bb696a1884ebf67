from __future__ import annotations

import pytest

from ciliumctl import errors
from ciliumctl.clients.helm.failures import failure

# As Helm 3.22 and Helm 4.3 wrote them.
SEEN: list[tuple[str, type[errors.CiliumctlError], str]] = [
    (
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        errors.Locked,
        "in progress",
    ),
    ("Error: INSTALLATION FAILED: cannot re-use a name that is still in use", errors.Exists, "exists already"),
    ("Error: INSTALLATION FAILED: cannot reuse a name that is still in use", errors.Exists, "exists already"),
    (
        (
            "Error: INSTALLATION FAILED: values don't meet the specifications of the schema(s) in the following chart(s):\n"
            "cilium:\n- at '/k8sServiceHost': got number, want string\n- at '/operator/replicas': got string, want integer\n"
        ),
        errors.ValuesInvalid,
        "`k8sServiceHost`: got number, want string; `operator.replicas`: got string, want integer",
    ),
    (
        (
            "Error: execution error at (cilium/templates/validate.yaml:20:7): Hubble UI requires "
            ".Values.hubble.relay.enabled=true\n\nUse --debug flag to render out invalid YAML"
        ),
        errors.ChartRefused,
        "Hubble UI requires .Values.hubble.relay.enabled=true",
    ),
    (
        "Error: INSTALLATION FAILED: chart requires kubeVersion: >= 1.21.0-0 which is incompatible with Kubernetes v1.20.0",
        errors.ChartRefused,
        "needs Kubernetes >= 1.21.0-0, and the cluster runs v1.20.0",
    ),
    (
        (
            'Error: INSTALLATION FAILED: template: cilium/templates/cilium-configmap.yaml:12:3: executing "x" at <.Values.a>: '
            "wrong type for value; expected string; got float64"
        ),
        errors.ChartRefused,
        "`cilium/templates/cilium-configmap.yaml` cannot be rendered",
    ),
    (
        (
            'Error: INSTALLATION FAILED: unable to continue with install: ClusterRole "cilium" in namespace "" exists and '
            "cannot be imported into the current release: invalid ownership metadata; annotation validation error: key "
            '"meta.helm.sh/release-name" must equal "x": current value is "cilium"'
        ),
        errors.OwnershipConflict,
        "ClusterRole `cilium` exists already",
    ),
    (
        (
            'Error: INSTALLATION FAILED: Kubernetes cluster unreachable: Get "https://127.0.0.1:1/version": dial tcp '
            "127.0.0.1:1: connect: connection refused"
        ),
        errors.Unreachable,
        "cannot reach the cluster",
    ),
    (
        (
            'Error: query: failed to query with labels: secrets is forbidden: User "jane" cannot list resource "secrets" in '
            'API group "" in the namespace "kube-system"'
        ),
        errors.Forbidden,
        "user `jane` may not list `secrets` in namespace `kube-system`",
    ),
    (
        'Error: looks like "https://x.example" is not a valid chart repository or cannot be reached: 404 Not Found',
        errors.RepositoryUnreachable,
        "`https://x.example` cannot be reached",
    ),
    ('Error: chart "cilium" version "9.9.9" not found in https://x repository', errors.ChartNotFound, "no such chart"),
    (
        'Error: failed to perform "FetchReference" on source: registry.example/charts/cilium:9.9.9: not found',
        errors.ChartNotFound,
        "no such chart",
    ),
    ("Error: uninstall: Release not loaded: cilium: release: not found", errors.ReleaseNotFound, "no such release"),
    ("Error: INSTALLATION FAILED: timed out waiting for the condition", errors.HelmTimedOut, "time ran out"),
    ("Error: INSTALLATION FAILED: context deadline exceeded", errors.HelmTimedOut, "time ran out"),
    ("Error: INSTALLATION FAILED: context canceled", errors.HelmCancelled, "was stopped"),
    ('Error: failed parsing --set data: key "a" has no value', errors.UsageError, 'key "a" has no value'),
    ("Error: failed to parse my.yaml: error converting YAML to JSON: yaml: line 2", errors.BadFile, "`my.yaml` is not"),
    (
        "Error: tls: failed to verify certificate: x509: certificate signed by unknown authority",
        errors.TlsFailed,
        "certificate signed by unknown authority",
    ),
    ("Error: something nobody has seen\n", errors.HelmFailed, "something nobody has seen"),
    ("", errors.HelmFailed, "it gave no reason"),
]


@pytest.mark.parametrize(("text", "kind", "words"), SEEN)
def test_helm_s_failures_are_told_apart(text: str, kind: type[errors.CiliumctlError], words: str) -> None:
    error = failure(text)
    assert type(error) is kind
    assert words in error.message


@pytest.mark.parametrize(("text", "kind", "words"), [case for case in SEEN if case[0]])
def test_helm_s_own_text_is_kept(text: str, kind: type[errors.CiliumctlError], words: str) -> None:
    del kind, words
    assert failure(text).detail == text.strip()
