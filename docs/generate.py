"""Write the pages of the reference that follow from the code: `nox -s reference` runs `python -m docs.generate`.

With `--check` nothing is written, and the exit code is 1 when a page is stale. `tests/docs` does the same comparison.
"""
# ruff: noqa: INP001 - a script beside its pages, no package

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from docs.generating import checks, cni, commands, connectivity, environment, exit_codes, presets, results, value_codes

REFERENCE = Path(__file__).parent / "reference"


def main() -> int:
    """Write, or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    only_check = parser.parse_args().check
    wanted = pages()
    stale = out_of_date(wanted)
    for name in stale:
        sys.stdout.write(f"{'stale' if only_check else 'written'}: docs/reference/{name}\n")
    if only_check:
        return 1 if stale else 0
    for name in stale:
        path = REFERENCE / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return 0


def pages() -> dict[str, str]:
    """Every generated file's text, by its name in `docs/reference`."""
    return {
        "cni-lint.md": cni.lint_page(),
        "cnis.md": cni.compare_page(),
        "commands.md": commands.page(),
        "connectivity-tests.md": connectivity.page(),
        "exit-codes.md": exit_codes.page(),
        "json.md": results.page(),
        "preflight-checks.md": checks.page(),
        "presets.md": presets.page(),
        "environment.md": environment.page(),
        "values-lint.md": value_codes.page(),
        **{f"schemas/{kind}.json": json.dumps(schema, indent=2) + "\n" for kind, schema in results.schemas().items()},
    }


def out_of_date(wanted: Mapping[str, str]) -> list[str]:
    """The generated files that are not as `wanted`, and the schemas of kinds that are no more."""
    there = {name: (REFERENCE / name).read_text(encoding="utf-8") for name in wanted if (REFERENCE / name).is_file()}
    left_over = {f"schemas/{path.name}" for path in (REFERENCE / "schemas").glob("*.json")} - set(wanted)
    return sorted({name for name, text in wanted.items() if there.get(name) != text} | left_over)


if __name__ == "__main__":
    sys.exit(main())
