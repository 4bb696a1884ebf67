"""What lint finds: a case for every code, with the line that it stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciliumctl import templates, yaml_files
from ciliumctl.policies import lint, patterns
from ciliumctl.policies.lint import documents, shapes, surroundings
from ciliumctl.policies.lint.surroundings import Surroundings
from ciliumctl.policies.model import Settings

_NP = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec:\n  "
_CNP = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec:\n  "
_CCNP = "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: a}\nspec:\n  "
_SAME = _CNP + "endpointSelector: {}\n  ingress: [{fromEndpoints: [{}]}]\n"
_FOR_ALL = "endpointSelector: {}\n  "
_WEB = {"app": "web", "io.kubernetes.pod.namespace": "shop"}
AROUND = Surroundings(
    pods=(_WEB,),
    nodes=({"zone": "a"},),
    whole=True,
    namespaces={"shop": {}, "kube-system": {}},
    groups=frozenset(["friends"]),
    services=frozenset([("shop", "web")]),
    ranges=("10.0.0.0/24",),
    settings=Settings(layer_7=False),
    refused={"CiliumNetworkPolicy shop/a": "no"},
)

#: Code, the file, the line (from 1), a word of the message. Whatever else is found does not matter.
FILES: list[tuple[str, str, int, str]] = [
    ("CP001", "a: }", 1, "YAML"),
    ("CP002", "kind: ConfigMap\nmetadata: {name: a}\n", 0, "no network policy"),
    ("CP003", _NP + "podSelector: {}\n  podSelector: {}\n", 6, "only this one counts"),
    ("CP101", _CNP + "endpointSelectors: {}\n", 5, "did you mean `endpointSelector`?"),
    ("CP101", _CNP + _FOR_ALL + "ingress:\n  - fromEndpoint: [{}]\n", 7, "did you mean `fromEndpoints`?"),
    ("CP102", _CNP + _FOR_ALL + "ingress: {fromEntities: [all]}\n", 6, "a list is wanted"),
    ("CP102", _CNP + _FOR_ALL + "ingress:\n  - toPorts: [{ports: [{port: 80}]}]\n", 7, 'write `"80"`'),
    ("CP102", _CNP + _FOR_ALL + "ingress: [{fromEntities: [worldly]}]\n", 6, "did you mean `world`?"),
    ("CP102", _CNP + _FOR_ALL + "ingress:\n  - fromEndpoints:\n    toPorts: []\n", 7, "passes over the key"),
    ("CP103", _CNP + "ingress: [{}]\n", 4, "neither"),
    ("CP103", _CNP + "nodeSelector: {}\n  ingress: [{}]\n", 5, "Clusterwide"),
    ("CP103", _CNP + _FOR_ALL + "ingress: [{fromCIDR: [10.0.0.0/8], fromEntities: [host]}]\n", 6, "two rules"),
    ("CP103", _CNP + _FOR_ALL + "ingress: [{fromCIDR: [nonsense]}]\n", 6, "no range"),
    (
        "CP103",
        _CNP + _FOR_ALL + "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [192.0.2.0/24]}]}]\n",
        6,
        "not within",
    ),
    (
        "CP103",
        _NP + "podSelector: {}\n  ingress: [{ports: [{port: 90, endPort: 80, protocol: TCP}]}]\n",
        6,
        "ends at 80",
    ),
    ("CP103", _NP + "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 192.0.2.1}}]}]\n", 6, "/32"),
    (
        "CP103",
        _CNP
        + _FOR_ALL
        + "ingress: [{toPorts: [{ports: [{port: '80', protocol: UDP}], rules: {http: [{method: GET}]}}]}]\n",
        6,
        "HTTP needs `protocol: TCP`",
    ),
    ("CP103", _CNP + _FOR_ALL + "egress: [{toFQDNs: [{matchName: '*.example.com'}]}]\n", 6, "matchPattern"),
    ("CP104", _CNP + _FOR_ALL + "ingress: [{fromRequires: [{}]}]\n", 6, "fromEndpoints"),
    ("CP301", _NP + "podSelector: {}\n  ingress: [{}]\n", 6, "keeps nobody out"),
    ("CP301", _CNP + _FOR_ALL + "egress: [{toEntities: [all]}]\n", 6, "keeps nobody out"),
    (
        "CP302",
        _CNP
        + _FOR_ALL
        + "ingress: [{fromEndpoints: [{matchLabels: {a: b}}]}]\n  ingressDeny: [{fromEndpoints: [{}]}]\n",
        6,
        "`ingressDeny[0]` denies all of it",
    ),
    (
        "CP302",
        _CNP + _FOR_ALL + "egress: [{toCIDR: [192.0.2.0/28]}]\n  egressDeny: [{toCIDR: [192.0.2.0/24]}]\n",
        6,
        "denies",
    ),
    ("CP303", _SAME + "---\n" + _SAME.replace("name: a", "name: b"), 11, "shop/a"),
    ("CP304", _CNP + _FOR_ALL + "ingress: []\n", 4, "no rules"),
    ("CP305", _NP + "podSelector: {}\n  policyTypes: [Ingress]\n  egress: [{}]\n", 7, "leaves egress out"),
    ("CP306", _CNP + _FOR_ALL + "ingress: [{fromEndpoints: []}]\n", 6, "nobody"),
    ("CP306", _CNP + _FOR_ALL + "ingress: [{toPorts: [{}]}]\n", 6, "without ports"),
    ("CP307", _SAME + "---\n" + _SAME.replace("fromEndpoints: [{}]", "fromEntities: [host]"), 10, "replaces it"),
    ("CP401", _NP + "podSelector: {}\n  ingress: [{ports: [{port: 80}]}]\n", 6, "TCP is meant"),
    ("CP403", _CNP + _FOR_ALL + "egress: [{toFQDNs: [{matchName: example.com}]}]\n", 6, "rules.dns"),
    ("CP404", _CNP + _FOR_ALL + "egress: [{toCIDR: [192.0.2.0/24]}]\n", 6, "UDP/53"),
    ("CP405", _CNP + _FOR_ALL + "egress: [{toFQDNs: [{matchPattern: '*'}]}]\n", 6, "every name"),
    ("CP408", _CNP + _FOR_ALL + "ingress: [{fromCIDR: [192.0.2.7/24]}]\n", 6, "192.0.2.0/24"),
]
#: The same, held against `AROUND`.
IN_CLUSTER: list[tuple[str, str, int, str]] = [
    ("CP201", _NP + "podSelector: {matchLabels: {app: db}}\n", 5, "no pod in namespace `shop`"),
    ("CP202", _NP + "podSelector: {matchLabels: {app: wev}}\n", 5, "did you mean `app=web`?"),
    ("CP202", _NP + "podSelector: {matchLabels: {apps: web}}\n", 5, "did you mean `app`?"),
    ("CP203", _NP.replace("shop", "shpo") + "podSelector: {}\n", 3, "did you mean `shop`?"),
    (
        "CP203",
        _CNP + _FOR_ALL + "ingress: [{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-sytem}}]}]\n",
        6,
        "`kube-system`",
    ),
    ("CP204", _CNP + _FOR_ALL + "ingress: [{fromEndpoints: [{matchLabels: {tier: front}}]}]\n", 6, "no pods"),
    ("CP205", _CNP + _FOR_ALL + "egress: [{toCIDRSet: [{cidrGroupRef: friend}]}]\n", 6, "did you mean `friends`?"),
    ("CP205", _CNP + _FOR_ALL + "egress: [{toServices: [{k8sService: {serviceName: db}}]}]\n", 6, "no service `db`"),
    (
        "CP402",
        _CNP
        + _FOR_ALL
        + "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]\n",
        6,
        "`l7Proxy=true`",
    ),
    ("CP406", _CCNP + "nodeSelector: {}\n  ingress: [{fromEntities: [cluster]}]\n", 4, "host firewall"),
    ("CP406", _CNP + _FOR_ALL + "egress: [{toNodes: [{}]}]\n", 6, "nodeSelectorLabels"),
    ("CP407", _CNP + _FOR_ALL + "egress: [{toCIDR: [10.0.0.0/28]}]\n", 6, "never mean pods"),
    ("CP501", _CNP + _FOR_ALL + "ingress: [{}]\n", 4, "does not enforce it: no"),
]


def found_in(tmp_path: Path, text: str, around: Surroundings | None = None) -> list[lint.Finding]:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return list(lint.in_files([str(path)], lambda: b"", around=around).findings)


@pytest.mark.parametrize(("code", "text", "line", "word"), FILES, ids=[f"{one[0]}-{one[3]}" for one in FILES])
def test_what_is_wrong_with_a_file_is_found_on_its_line(
    tmp_path: Path, code: str, text: str, line: int, word: str
) -> None:
    found = found_in(tmp_path, text)
    assert any(one.code == code and one.line == line and word in one.message for one in found), found


@pytest.mark.parametrize(("code", "text", "line", "word"), IN_CLUSTER, ids=[f"{one[0]}-{one[3]}" for one in IN_CLUSTER])
def test_what_does_not_fit_the_cluster_is_found(tmp_path: Path, code: str, text: str, line: int, word: str) -> None:
    found = found_in(tmp_path, text, AROUND)
    assert any(one.code == code and one.line == line and word in one.message for one in found), found


def test_every_code_has_a_case_and_no_case_another_code() -> None:
    assert {one[0] for one in (*FILES, *IN_CLUSTER)} == set(lint.codes())


@pytest.mark.parametrize("name", templates.names("policies"))
def test_every_template_makes_a_policy_that_nothing_is_wrong_with(tmp_path: Path, name: str) -> None:
    values = {"app": "app=web", "names": "example.com,*.example.com", "from": "app=client"}
    if name == "allow-from-namespace":
        values["from"] = "shop"
    given = [f"{one.name}={values[one.name]}" for one in patterns.load(name).settings if one.default is None]
    made = patterns.make(name, given)
    found = found_in(tmp_path, made.text)
    assert [one for one in found if one.severity != "info"] == []


def test_pods_of_manifests_beside_show_a_misspelt_label(tmp_path: Path) -> None:
    workload = """
        {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop},
          spec: {template: {metadata: {labels: {app: web}}}}}
        """
    found = found_in(tmp_path, f"{workload}\n---\n{_NP}podSelector: {{matchLabels: {{app: webb}}}}\n")
    assert [one.code for one in found if one.severity == "warning"] == ["CP202"]


def test_a_list_is_its_items_with_their_lines() -> None:
    text = "kind: List\nitems:\n- kind: NetworkPolicy\n  metadata: {name: a}\n  spec:\n    podSelector: {}\n"
    (document,), problems = documents.read(text.encode(), "list.yaml")
    assert problems == []
    assert document.finding("CP201", "x", "spec.podSelector").line == 6


def test_folders_are_read_by_name_and_other_manifests_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(_SAME)
    (tmp_path / "a.yml").write_text("kind: ConfigMap\nmetadata: {name: a}\n")
    result = lint.in_files([str(tmp_path)], lambda: b"")
    assert (result.policies, result.findings) == (1, ())
    assert [Path(one).name for one in result.files] == ["a.yml", "b.yaml"]


def test_aliases_that_grow_without_end_do_not_keep_it_busy() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
    )
    found, _problems = documents.read(bomb.encode(), "bomb.yaml")
    assert len(found) == 1


def test_a_schema_becomes_a_shape_and_a_crd_without_fields_none() -> None:
    crd = {"spec": {"versions": [{"served": True, "schema": {"openAPIV3Schema": {"properties": {"spec": {}}}}}]}}
    assert shapes.of_crd(crd) is None
    schema = {"properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"enum": ["x", "y"]}}}
    assert shapes.of_schema(schema) == {"a": ["text"], "b": "one of x, y"}


def test_pods_that_are_alike_are_one_case() -> None:
    assert len(surroundings.distinct([dict(_WEB), dict(_WEB), {"app": "db"}])) == 2


def test_the_kept_fields_are_those_of_the_policies_that_are_tested() -> None:
    assert "enableDefaultDeny" in shapes.kept("CiliumNetworkPolicy")
    assert set(shapes.kept("NetworkPolicy")) == {"podSelector", "policyTypes", "ingress", "egress"}
    assert yaml_files.load(templates.path("policies/lint/codes.yaml"))
