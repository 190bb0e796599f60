"""Removing a run from the disk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from runwrap.errors import StoreError

if TYPE_CHECKING:
    from runwrap.store.view import RunView

# Hidden, so that a run half removed is none any more.
REMOVED = ".deleted-"


class RunningError(StoreError):
    """A run that is going on cannot be removed."""

    exit_code = 1


def remove_run(view: RunView) -> None:
    """Remove a run, and what is left of others whose removal was cut short. Raises: StoreError."""
    state, where = view.decide()
    if state == "running":
        name = view.name if view.name.isprintable() else view.id
        hint = (
            f"if it has ended there, remove {view.path}"
            if where
            else "end it first, or wait until it has ended"
        )
        raise RunningError(f"{name} is running {where}".rstrip(), hint)
    project = os.path.dirname(view.path)
    hidden = os.path.join(project, REMOVED + os.urandom(8).hex())
    try:
        os.rename(view.path, hidden)
        shutil.rmtree(hidden)  # follows no links
        for name in os.listdir(project):
            if name.startswith(REMOVED):
                shutil.rmtree(os.path.join(project, name), ignore_errors=True)
    except OSError as error:
        raise StoreError(f"cannot remove {view.path}: {error.strerror}") from error
