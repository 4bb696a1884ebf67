"""`presets.md`: the values that have a name."""

from __future__ import annotations

from ciliumctl import yaml_files
from ciliumctl.values import presets
from docs.generating.text import NOTICE, prose, table

_INTRODUCTION = """\
# Presets

Values for a purpose or a kind of cluster: `ciliumctl install --preset NAME`, repeatable, the later one on top. Your own
values files and `--set` flags win over all of them.

A preset that has the name of a kind of cluster is what `install` takes by itself when `ciliumctl detect` says so; name
it only together with `--no-autodetect` or `--export`. What a preset needs besides its values is said when it is used.

"""


def page() -> str:
    """Each preset with its values."""
    listed = presets.listed().presets
    text = NOTICE + _INTRODUCTION
    text += table(
        ("preset", "what for"),
        ((f"[`{preset.name}`](#{preset.name})", prose(preset.description)) for preset in listed),
    )
    for preset in listed:
        text += f"## {preset.name}\n\n{prose(preset.description)}.\n\n"
        text += "".join(f"Needs: {prose(need)}.\n\n" for need in preset.needs)
        text += f"```yaml\n{yaml_files.dump(dict(preset.values))}```\n\n"
    return text.rstrip() + "\n"
