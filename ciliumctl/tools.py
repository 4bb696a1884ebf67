"""Programs that we need."""

import shutil
from pathlib import Path


def look_for_helm(*, explicit, folder, environ):
    p = explicit or shutil.which("helm")
    return Path(p) if p else None
