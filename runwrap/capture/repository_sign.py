"""The sign of a git repository, looked for before anything is loaded that knows git."""

from __future__ import annotations

import os


def may_be_in_repository(folder: str) -> bool:
    """Tell whether it is worth loading what knows about git: most folders are in no repository."""
    if "GIT_DIR" in os.environ:
        return True
    while True:
        if os.path.lexists(os.path.join(folder, ".git")) or os.path.lexists(os.path.join(folder, "HEAD")):
            return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
