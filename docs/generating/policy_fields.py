"""The fields that Cilium's policies have, out of its CRD: `python -m docs.generating.policy_fields CRD.yaml`.

The CRD is `pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml` of Cilium's sources. Not part of
`nox -s reference`: the sources are not here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ciliumctl import templates, yaml_files
from ciliumctl.policies.lint import shapes


def main() -> None:
    """Write the file."""
    crd = yaml_files.load(Path(sys.argv[1]))
    text = yaml_files.dump(shapes.of_crd(crd))
    header = "# The fields of `spec` in Cilium 1.20's policies, by docs/generating/policy_fields.py. See shapes.py.\n"
    templates.path("policies/lint/schemas/CiliumNetworkPolicy.yaml").write_text(header + text)


if __name__ == "__main__":
    main()
