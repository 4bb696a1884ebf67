"""A chart in memory, so that lint can be asked without Cilium's own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ciliumctl import yaml_files
from ciliumctl.charts import Chart
from ciliumctl.values.lint import rules
from ciliumctl.values.paths import put, split

VALUES = """\
# -- Number of operators.
operator:
  # -- How many there are.
  # More than one needs as many nodes.
  # @schema
  # type: integer
  # @schema
  replicas: 2
  image: {repository: quay.io/cilium/operator}
hubble:
  enabled: true
  relay: {enabled: false, replicas: 1}
  ui: {enabled: false}
debug: {enabled: false, verbose: null}
podAnnotations: {}
routingMode: ""
tolerations: []
name: default
"""

TEMPLATES = b"""\
{{- if .Values.iptablesLockTimeout }}
lock: {{ .Values.iptablesLockTimeout | quote }}
{{- end }}
{{- with .Values.hubble.relay.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.hubble.ui.enabled }}{{- if not .Values.hubble.relay.enabled }}
{{ fail "the UI needs the relay" }}
{{- end }}{{- end }}
"""


def chart(version: str = "1.20.0", *, values: str = VALUES, **files: bytes) -> Chart:
    """A chart with these values, and templates by their names without the folder."""
    content = {
        "Chart.yaml": f"name: cilium\nversion: {version}\n".encode(),
        "values.yaml": values.encode(),
        "templates/all.yaml": TEMPLATES,
        **{f"templates/{name}.yaml": text for name, text in files.items()},
    }
    return Chart(path=Path("/nowhere/cilium"), source="memory", files=content)


@functools.cache
def knowing_all(version: str = "1.20.0") -> Chart:
    """A chart that has every name that a rule translates to, each taking anything."""
    values: dict[str, Any] = {}
    for rule in (*rules.legacy(), *rules.modern()):
        data = rule.data
        cases = [key for case in data.get("cases", {}).values() for key in case]
        targets = [*cases, *data.get("text", ()), *data.get("copy", ()), *data.get("also", ())]
        if "to" in data:
            targets.append(data["to"])
        for target in targets:
            if rule.key != split(target):
                put(values, split(target), None)
    return chart(version, values=yaml_files.dump(values))
