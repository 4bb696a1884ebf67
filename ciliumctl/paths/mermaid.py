"""The path as a Mermaid flowchart, for a page or an issue."""

from __future__ import annotations

from itertools import pairwise

from ciliumctl.paths.model import Outcome, Path, Stage

_COLOURS: dict[Outcome, str] = {
    "ok": "fill:#d9f2d9,stroke:#2e7d32",
    "warn": "fill:#fff4cc,stroke:#b08900",
    "fail": "fill:#f8d0d0,stroke:#b71c1c,stroke-width:3px",
    "skip": "fill:#eeeeee,stroke:#9e9e9e,stroke-dasharray:4",
}


def drawn(path: Path) -> str:
    """The stages from the source to the probe, coloured by their outcome; the first broken one is the thick one."""
    lines = ["flowchart LR", *(f'    {stage.id}["{_text(stage)}"]:::{stage.outcome}' for stage in path.stages)]
    ids = [stage.id for stage in path.stages]
    broken = next((stage.id for stage in path.stages if stage.outcome == "fail"), "")
    for before, after in pairwise(ids):
        lines.append(f"    {before} {'-. broken .->' if after == broken else '-->'} {after}")
    lines += [f"    classDef {name} {style},color:#000" for name, style in _COLOURS.items()]
    return "\n".join(lines) + "\n"


def _text(stage: Stage) -> str:
    code = f" {stage.code}" if stage.code else ""
    return f"<b>{_plain(stage.title)}{code}</b><br/>{_plain(stage.message)}"


def _plain(text: str) -> str:
    """Nothing that Mermaid reads as its own, by its character references."""
    return "".join(f"#{ord(sign)};" if sign in '"<>#;`|{}[]()' else sign for sign in text if sign.isprintable())
